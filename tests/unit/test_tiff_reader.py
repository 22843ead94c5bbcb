"""The reader of simple GeoTIFFs gives the same as rasterio, for simple and unusual files."""

import struct
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.errors import RasterioError

from reben.runtime.errors import RasterError
from reben.storage.geotiff_reader import LayerReader
from reben.storage.geotiff_writer import Profile, template
from reben.storage.patch_files import PatchReader
from tests.geotiffs import write_patch

PIXELS = np.random.default_rng(0).integers(1, 9999, (120, 120), dtype="uint16")
PLAIN = template(Profile(32633, 120, 10)).at(300_000, 5_800_000) + PIXELS.tobytes()


def read(reader: LayerReader, folder: Path, layer: str = "B02") -> bytes:
    out = bytearray(reader.nbytes)
    reader.read(PatchReader(folder.parent), folder.name, layer, memoryview(out))
    return bytes(out)


def put(folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{folder.name}_B02.tif").write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("dtype", "layer", "options"),
    [
        ("uint16", "B02", {}),
        ("float32", "VV", {}),
        ("uint16", "reference_map", {}),
        ("uint16", "B02", {"blockysize": 1}),
    ],
)
def test_plain_files_do_without_gdal(
    tmp_path: Path, dtype: str, layer: str, options: dict[str, object]
) -> None:
    reader = LayerReader(120, dtype)
    with mock.patch.object(LayerReader, "_decode", side_effect=AssertionError("GDAL was asked")):
        for i in range(3):  # the first is parsed, the others recognised
            pixels = PIXELS.astype(dtype) + i
            folder = write_patch(
                tmp_path / f"p{i}", {layer: pixels}, corner=(3e5 + i, 58e5), **options
            )
            assert read(reader, folder, layer) == pixels.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "deflate"},
        {"compress": "deflate", "predictor": 2, "blockysize": 120},
        {"compress": "lzw"},
        {"tiled": True, "blockxsize": 64, "blockysize": 64},
        {"ENDIANNESS": "BIG"},
        {"BIGTIFF": "YES"},
        {"NBITS": 14},
        {"SPARSE_OK": True},
        {"driver": "COG", "compress": "none"},
    ],
    ids=str,
)
def test_odd_files_are_read_right(tmp_path: Path, options: dict[str, object]) -> None:
    plain = write_patch(tmp_path / "a", {"B02": PIXELS})
    odd = write_patch(tmp_path / "b", {"B02": PIXELS[::-1]}, **options)
    reader = LayerReader(120, "uint16")
    assert read(reader, plain) == PIXELS.tobytes()
    assert read(reader, odd) == PIXELS[::-1].tobytes()
    assert read(reader, plain) == PIXELS.tobytes()


def test_strips_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    folder = write_patch(tmp_path / "p", {"B02": PIXELS}, blockysize=60)
    file = folder / "p_B02.tif"
    data = bytearray(file.read_bytes())
    start = len(data) - PIXELS.nbytes
    half = PIXELS.nbytes // 2
    offsets = struct.pack("<2I", start, start + half)
    at = data.index(offsets)
    data[at : at + 8] = struct.pack("<2I", start + half, start)
    file.write_bytes(data)
    assert read(LayerReader(120, "uint16"), folder) == np.roll(PIXELS, 60, axis=0).tobytes()


def test_a_tag_that_stands_twice_is_left_to_gdal(tmp_path: Path) -> None:
    folder = write_patch(tmp_path / "p", {"B02": PIXELS}, blockysize=120)
    file = folder / "p_B02.tif"
    data = bytearray(file.read_bytes())
    start = len(data) - PIXELS.nbytes
    at = data.index(struct.pack("<HHII", 273, 4, 1, start))
    struct.pack_into("<I", data, at + 8, start - 2)
    second = data.index(struct.pack("<HHIH", 284, 3, 1, 1))
    struct.pack_into("<HHII", data, second, 273, 4, 1, start)
    file.write_bytes(data)
    with rasterio.open(file) as dataset:
        expected = dataset.read(1)
    assert expected[0, 1] == PIXELS[0, 0]  # GDAL takes the first
    assert read(LayerReader(120, "uint16"), folder) == expected.tobytes()


def test_zones_and_makers_may_alternate(tmp_path: Path) -> None:
    reader = LayerReader(120, "uint16")
    folders = []
    for i in range(12):
        pixels = PIXELS + np.uint16(i)
        folder = write_patch(tmp_path / f"p{i}", {"B02": pixels}, epsg=32628 + i % 6)
        folders.append((folder, pixels))
    for folder, pixels in folders * 2:
        assert read(reader, folder) == pixels.tobytes()


@pytest.mark.parametrize("length", [0, 7, 100, 300, 396, 397, 5000, len(PLAIN) - 1])
@pytest.mark.parametrize("warm", [False, True])
def test_short_file_is_refused(tmp_path: Path, length: int, warm: bool) -> None:
    reader = LayerReader(120, "uint16")
    if warm:
        read(reader, put(tmp_path / "whole", PLAIN))
    folder = put(tmp_path / "cut", PLAIN[:length])
    with pytest.raises(RasterError, match=r"cut/cut_B02\.tif: expected .* 120 x 120 uint16") as e:
        read(reader, folder)
    assert f"found {length} bytes that GDAL cannot read" in str(e.value)


def test_damaged_deflate_is_refused(tmp_path: Path) -> None:
    maker = template(Profile(32633, 120, 10, nodata=None, deflate=True))
    data = maker.deflated(3e5, 58e5, PIXELS)
    reader = LayerReader(120, "uint16")
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(RasterError, match=r"p_B02\.tif: damaged pixels .* make it again"):
        read(reader, put(tmp_path / "p", damaged))
    unfinished = bytearray(data[:-2])  # all pixels are there, part of the checksum is not
    size = len(unfinished) - len(maker.header)
    struct.pack_into("<I", unfinished, maker.byte_count_at, size)
    with pytest.raises(RasterError, match="found more, or an unfinished stream"):
        read(reader, put(tmp_path / "p", bytes(unfinished)))
    for pixels, found in ((PIXELS[:60], "14400"), (np.vstack([PIXELS, PIXELS]), "more")):
        with pytest.raises(RasterError, match=f"expected 28800 bytes of pixels, found {found}"):
            read(reader, put(tmp_path / "p", maker.deflated(3e5, 58e5, pixels)))


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (PIXELS[:60, :60], "(1, 60, 60, 'uint16')"),
        (PIXELS.astype("float32"), "(1, 120, 120, 'float32')"),
        (PIXELS.astype("int16"), "(1, 120, 120, 'int16')"),
    ],
)
def test_other_size_or_type_is_refused(tmp_path: Path, pixels: np.ndarray, found: str) -> None:
    folder = write_patch(tmp_path / "p", {"B02": pixels})
    with pytest.raises(RasterError) as error:
        read(LayerReader(120, "uint16"), folder)
    assert "p/p_B02.tif" in str(error.value)
    assert f"expected (bands, height, width, type) (1, 120, 120, 'uint16'), found {found}" in str(
        error.value
    )


def test_several_bands_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    with rasterio.open(
        tmp_path / "p/p_B02.tif", "w", driver="GTiff", width=120, height=120, count=2,
        dtype="uint16", crs="EPSG:32633",
    ) as dataset:  # fmt: skip
        dataset.write(np.stack([PIXELS, PIXELS]))
    with pytest.raises(RasterError, match=r"found \(2, 120, 120, 'uint16'\)"):
        read(LayerReader(120, "uint16"), tmp_path / "p")


def test_an_image_that_only_calls_itself_tif_is_refused(tmp_path: Path) -> None:
    vrt = b"<VRTDataset rasterXSize='120' rasterYSize='120'></VRTDataset>"
    with pytest.raises(RasterError, match="GDAL cannot read"):
        read(LayerReader(120, "uint16"), put(tmp_path / "p", vrt))


@settings(max_examples=150)
@given(
    at=st.integers(0, len(PLAIN) - PIXELS.nbytes - 1),
    value=st.integers(0, 255),
    extra=st.binary(max_size=3),
)
def test_never_other_pixels_than_gdal(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int, extra: bytes
) -> None:
    """Any byte of the header changed, any bytes appended: GDAL's pixels or an error."""
    folder = tmp_path_factory.mktemp("odd") / "p"
    changed = bytearray(PLAIN)
    changed[at] = value
    reader = LayerReader(120, "uint16")
    read(reader, put(folder, PLAIN))
    put(folder, bytes(changed) + extra)
    try:
        found = read(reader, folder)
    except RasterError:
        return
    try:
        with rasterio.open(folder / "p_B02.tif") as dataset:
            expected = dataset.read(1)
    except RasterioError:  # it rejects something other than the pixels
        expected = PIXELS
    assert found == expected.tobytes()
