"""Files from outside are read as what they must be: no other driver, no other file, no host."""

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio

from reben.countries import read_countries
from reben.domain.grid import TileGrid
from reben.land_cover.corine_polygons import PolygonLayer
from reben.pictures.patch_images import read_layer
from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import RasterError, VectorError
from reben.safe.jpeg2000 import StripReader
from reben.storage.image_check import FormChecker, ImageForm
from reben.storage.vector_files import VECTOR_DRIVERS, pyogrio
from reben.synthetic.raster import write_raster

GRID = TileGrid(32633, 300_000, 5_400_000, 1200)
CORNER = (300_000, 5_400_000)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and what was asked of it."""
    asked: list[str] = []
    # GDAL may ask while it holds the interpreter that is to answer.
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "2")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked
    server.shutdown()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.arange(120 * 120, dtype="uint16").reshape(120, 120)
    path = tmp_path / "image.tif"
    write_raster(path, pixels, 32633, CORNER, 10)
    return path


def vrt_of(source: str) -> bytes:
    return (
        '<VRTDataset rasterXSize="120" rasterYSize="120"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>300000, 10, 0, 5400000, 0, -10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource><SourceFilename>'
        f"{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        "</VRTDataset>"
    ).encode()


def other_forms(folder: Path, image: Path, port: int) -> Iterator[Path]:
    """Files that GDAL reads, under names of bands, and which are not of their form."""
    with rasterio.open(image) as source:
        pixels, profile = source.read(1), source.profile
    forms = {
        "vrt": vrt_of(str(image)),
        "vrt_web": vrt_of(f"/vsicurl/http://127.0.0.1:{port}/x.tif"),
        "wms": b'<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:%d/${x}</ServerUrl>'
        b"</Service></GDAL_WMS>" % port,
        "derived": b"DERIVED_SUBDATASET:LOGAMPLITUDE:" + bytes(image),
        "empty": b"",
    }
    for driver in ("PNG", "ENVI", "PNM", "netCDF", "MRF"):
        path = folder / f"{driver}.raw"
        try:
            options = {key: profile[key] for key in ("width", "height", "count", "dtype")}
            with rasterio.open(path, "w", driver=driver, **options) as dataset:
                dataset.write(pixels, 1)
        except Exception:  # not in this GDAL
            continue
        forms[driver] = path.read_bytes()
    assert len(forms) > 6
    for name, data in forms.items():
        path = folder / f"{name}.jp2"
        path.write_bytes(data)
        yield path


def test_a_band_is_jpeg_2000_or_tiff_and_nothing_else(
    tmp_path: Path, image: Path, host: tuple[int, list[str]]
) -> None:
    port, asked = host
    form = ImageForm(120, 32633, 10, "uint16")
    FormChecker(form).check(image, CORNER)
    StripReader(image, GRID, 10).close()
    for path in other_forms(tmp_path, image, port):
        with pytest.raises(RasterError, match=f"{path.name}: .*a JPEG 2000 or GeoTIFF does not"):
            StripReader(path, GRID, 10)
        with pytest.raises(RasterError, match=f"{path.name}: .*a GeoTIFF does not begin"):
            FormChecker(form).check(path, CORNER)
    assert asked == []


def test_files_beside_an_image_do_not_count(image: Path) -> None:
    beside = image.with_name(f"{image.name}.aux.xml")
    beside.write_text("<PAMDataset><SRS>EPSG:32632</SRS></PAMDataset>")
    StripReader(image, GRID, 10).close()


def test_a_picture_of_a_patch_is_a_tiff(tmp_path: Path, image: Path) -> None:
    folder = tmp_path / "patch"
    folder.mkdir()
    (folder / "patch_VV.tif").write_bytes(vrt_of(str(image)))
    with pytest.raises(RasterError, match="patch_VV.tif: expected a layer"):
        read_layer(folder, "VV")


@pytest.mark.parametrize(
    "content",
    [
        '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{outside}</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>",
        '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/vsicurl/{web}</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>",
        "<OGRWFSDataSource><URL>{web}</URL></OGRWFSDataSource>",
        '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:xlink="http://www.w3.org/1999/xlink"><gml:x xlink:href="{web}"/>'
        "</gml:FeatureCollection>",
        '{{"type": "gdal_streamed_alg", "command_line": "gdal vector read {outside}"}}',
    ],
    ids=["vrt", "vrt of a host", "wfs", "gml", "gdalg"],
)
@pytest.mark.parametrize("suffix", ["gpkg", "json", "shp", "xml"])
def test_a_layer_does_not_refer_elsewhere(
    tmp_path: Path, host: tuple[int, list[str]], content: str, suffix: str
) -> None:
    port, asked = host
    outside = tmp_path / "outside.gpkg"
    geometry = np.array([bytes.fromhex("0103000000000000000000")], object)[:0]
    pyogrio.raw.write(
        outside, geometry, [np.array([], object)], ["name"], layer="x",
        geometry_type="Polygon", crs="EPSG:4326",
    )  # fmt: skip
    path = tmp_path / f"x.{suffix}"
    path.write_text(content.format(outside=outside, web=f"http://127.0.0.1:{port}/x.gpkg"))
    for read in (PolygonLayer.open, read_countries):
        with pytest.raises(VectorError, match=path.name):
            read(path)
    assert asked == []


@pytest.mark.parametrize("address", ["/vsicurl/http://127.0.0.1:{}/x.gpkg", "http://127.0.0.1:{}/"])
def test_an_address_is_no_file(host: tuple[int, list[str]], address: str) -> None:
    port, asked = host
    for read in (PolygonLayer.open, read_countries):
        with pytest.raises(VectorError, match="on this machine, found none"):
            read(address.format(port))
    with pytest.raises(RasterError, match="cannot be opened"):
        StripReader(address.format(port), GRID, 10)
    assert asked == []


def test_few_drivers_read_layers() -> None:
    others = set(pyogrio.list_drivers()) - set(VECTOR_DRIVERS)
    assert others <= {"MEM", "GTiff", "JP2OpenJPEG"}


@pytest.mark.parametrize("hidden", [None, "GML PNG", "GML,FlatGeobuf"])
def test_few_drivers_read_layers_in_a_step_whatever_the_environment_hides(
    hidden: str | None,
) -> None:
    code = (
        "import sys; sys.argv = ['-m']; import reben\n"
        "from reben.storage.vector_files import pyogrio; print(*pyogrio.list_drivers(), sep=',')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"PYTHONPATH": str(PACKAGE.parent)}
        | ({"GDAL_SKIP": hidden} if hidden else {}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = set(done.stdout.strip().split(","))
    assert found <= {*VECTOR_DRIVERS, "MEM", "GTiff", "JP2OpenJPEG"}
    assert ("FlatGeobuf" in found) == (hidden != "GML,FlatGeobuf")


@pytest.mark.parametrize(
    ("address", "exempt"),
    [
        *((f"/{system}/http://HOST/a/x.tif", "*") for system in ("vsicurl", "vsis3", "vsigs")),
        *(
            (f"/{system}/http://HOST/a/x.tif", "*")
            for system in ("vsiaz", "vsiswift", "vsiwebhdfs")
        ),
        *((f"{kind}:http://HOST/?SERVICE={kind}", "") for kind in ("WMS", "WCS")),
    ],
)
def test_the_network_is_closed_for_a_step(
    host: tuple[int, list[str]], address: str, exempt: str
) -> None:
    """Also for what slips through: here a step that opens an address by itself."""
    port, asked = host
    code = (
        "import sys; sys.argv = ['-m']; import reben; import rasterio\n"
        f"try: rasterio.open('{address.replace('HOST', f'127.0.0.1:{port}')}')\n"
        "except rasterio.errors.RasterioError: print('refused')"
    )
    variables = {
        "PYTHONPATH": str(PACKAGE.parent), "AWS_NO_SIGN_REQUEST": "YES",
        "AWS_S3_ENDPOINT": f"127.0.0.1:{port}", "AWS_HTTPS": "NO",
        "GS_NO_SIGN_REQUEST": "YES", "AZURE_NO_SIGN_REQUEST": "YES",
        "CPL_GS_ENDPOINT": f"http://127.0.0.1:{port}", "no_proxy": exempt,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True
    )
    assert done.stdout == "refused\n", done.stderr
    assert asked == []


def test_no_other_module_opens_files_with_gdal() -> None:
    """`reben.synthetic` reads nothing from outside."""
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).as_posix()
        if inside.startswith("synthetic/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import) and inside != "storage/vector_files.py":
                assert "pyogrio" not in [alias.name for alias in node.names], inside
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                text = ast.unparse(node.func)
                if text == "rasterio.open":
                    assert inside in ("storage/raster_files.py", "storage/envi_file.py")
                if text in ("memory.open", "file.open", "MemoryFile.open"):
                    names = {keyword.arg for keyword in node.keywords}
                    assert names & {"driver", None}, inside
