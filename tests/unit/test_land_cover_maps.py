"""Land cover maps of raster files: legends, what is refused and said, clips, inputs, config."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rasterio
import rasterio.shutil
from numpy.typing import NDArray

from reben import land_cover_map, reference_maps
from reben.domain.grid import TileSquare
from reben.land_cover.legend import Legend, read_legend
from reben.land_cover.nomenclature import NO_CODE
from reben.land_cover.raster_clip import RasterClip
from reben.land_cover.raster_mosaic import RasterMosaic
from reben.memory.sources import Source
from reben.runtime.errors import RasterError
from reben.runtime.files import read_json
from reben.storage.patch_files import PatchWriter
from tests.builds import a_verdict
from tests.maps import PX, SQUARE, TWO, full, legend, write_map

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
RESOURCES = Path("resources")
HEADER = "value,code,name,colour\n"
KEYS = ("legends/esa_worldcover", "legends/clcplus_backbone", "legends/esri_annual")


# What a map may be.


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"])
def test_whole_numbers_of_any_type_are_read(tmp_path: Path, dtype: str) -> None:
    low = -5 if np.dtype(dtype).kind == "i" else 5
    pixels = full(low, dtype)
    pixels[0], pixels[1, 0] = 100, 7
    path = write_map(tmp_path / "a.tif", pixels, nodata=7)
    values = Legend("map", "", {low: 32_767, 100: 1, 6: 2}, {1: ("A", "#000000")})
    codes = RasterMosaic.open([path], values).clip(SQUARE).codes
    assert (codes[0] == 1).all()
    assert codes[1, 0] == NO_CODE
    assert (codes[1, 1:] == 32_767).all()
    assert (codes[2:] == 32_767).all()


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (full(10, "float32"), {}, "expected whole numbers, found float32: shares .* -ot Byte"),
        (np.stack([full(10)] * 3), {}, "expected one band of classes, found 3; extract"),
        (full(10), {"crs": None}, "expected a CRS and a place in the file itself, found none"),
        (full(10), {"nodata": 10}, "10 stands for no data, but for 'class 10' in the legend; set"),
    ],
    ids=["floats", "bands", "no CRS", "nodata with a code"],
)
def test_what_is_no_map_is_refused(
    tmp_path: Path, pixels: NDArray[np.generic], options: dict[str, object], message: str
) -> None:
    path = write_map(tmp_path / "a.tif", pixels, **options)  # type: ignore[arg-type]
    with pytest.raises(RasterError, match=rf"a\.tif: {message}"):
        RasterMosaic.open([path], TWO)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("no image")
    with pytest.raises(RasterError, match=r"a\.tif: expected a land cover map as a GeoTIFF, or a"):
        RasterMosaic.open([tmp_path / "a.tif"], TWO)


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    path = write_map(tmp_path / "a.tif", full(10))
    path.write_bytes(path.read_bytes()[:-30_000])
    mosaic = RasterMosaic.open([path], TWO)
    with pytest.raises(RasterError, match=r"a\.tif: the file is damaged or incomplete"):
        mosaic.clip(SQUARE)


def test_a_tile_without_map_is_refused(tmp_path: Path) -> None:
    far = write_map(tmp_path / "far.tif", full(10), west=400_000)
    where = r"covers the tile at \(300000, 5397600, 302400, 5400000\) \(EPSG:32633\); add the file"
    with pytest.raises(RasterError, match=rf"no file of the land cover map {where}"):
        RasterMosaic.open([far], TWO).clip(SQUARE)
    empty = write_map(tmp_path / "empty.tif", full(0), nodata=0)
    with pytest.raises(RasterError, match=r"empty\.tif: only nodata in the tile at"):
        RasterMosaic.open([far, empty], TWO).clip(SQUARE)


def test_values_that_the_legend_lacks_are_counted(tmp_path: Path) -> None:
    pixels = full(10)
    pixels[0, :3], pixels[1, :2] = 77, 3
    beyond = np.full((PX, 2 * PX), 99, np.uint8)  # its left half is the tile
    beyond[:, :PX] = pixels
    path = write_map(tmp_path / "a.tif", beyond)
    with pytest.raises(RasterError, match=r"a\.tif: .* legend, found 77 \(3 px\), 3 \(2 px\); use"):
        RasterMosaic.open([path], TWO).clip(SQUARE)
    codes = RasterMosaic.open([path], legend(v10=10, v77=NO_CODE, v3=NO_CODE)).clip(SQUARE).codes
    assert np.count_nonzero(codes == NO_CODE) == 5


def test_a_mask_in_the_file_says_where_there_is_no_data(tmp_path: Path) -> None:
    path = write_map(tmp_path / "a.tif", full(10))
    mask = np.full((PX, PX), 255, np.uint8)
    mask[:2] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    codes = RasterMosaic.open([path], TWO).clip(SQUARE).codes
    assert (codes[:2] == NO_CODE).all()
    assert (codes[2:] == 10).all()


def test_zero_can_be_a_class_where_nothing_is_nodata(tmp_path: Path) -> None:
    """Dynamic World's water, also in an export that calls it nodata."""
    dynamic = read_legend(RESOURCES / "legends/dynamic_world.csv")
    path = write_map(tmp_path / "a.tif", full(0), nodata=0)
    with pytest.raises(RasterError, match="0 stands for no data, but for 'Water' in the legend"):
        RasterMosaic.open([path], dynamic)
    assert (RasterMosaic.open([path], dynamic, "none").clip(SQUARE).codes == 100).all()
    assert (RasterMosaic.open([path], dynamic, 255).clip(SQUARE).codes == 100).all()


# Several files.


def test_the_first_file_by_name_decides_and_nodata_is_transparent(tmp_path: Path) -> None:
    first, second = full(10), full(20)
    first[:100], second[:50], second[:, 200:] = 0, 0, 10
    a = write_map(tmp_path / "a.tif", first, nodata=0)
    b = write_map(tmp_path / "b.tif", second, nodata=0)
    clip = RasterMosaic.open([b, a], TWO).clip(SQUARE)
    assert (clip.codes[100:] == 10).all()
    assert (clip.codes[50:100, :200] == 20).all()
    assert (clip.codes[50:100, 200:] == 10).all()
    assert (clip.codes[:50, :200] == NO_CODE).all()
    assert clip.remarks == [
        f"{100 * 50 * 200 / PX**2:.2f} % of it have no data in the map",
        f"{140 * 200} of its pixels differ between files; the first by name decides",
    ]


def test_a_coarse_map_is_said(tmp_path: Path) -> None:
    fine = write_map(tmp_path / "fine.tif", full(10))
    assert RasterMosaic.open([fine], TWO).clip(SQUARE).remarks == []
    coarse = write_map(tmp_path / "coarse.tif", full(10)[:24, :24].copy(), pixel=100)
    (remark,) = RasterMosaic.open([coarse], TWO).clip(SQUARE).remarks
    assert remark.startswith("the map has pixels of 100.0 m, the reference maps have 10 m")


def test_patterns_are_inputs_as_long_as_a_file_matches(tmp_path: Path) -> None:
    source = Source(tmp_path / "*_Map.tif", "rasters")
    assert not source.exists()
    for name in ("b_Map.tif", "a_Map.tif", "a.txt"):
        (tmp_path / name).write_text(name)
    assert source.exists()
    assert source.files() == ["a_Map.tif", "b_Map.tif"]
    (tmp_path / "x[1].tif").write_text("a name, no pattern")
    assert Source(tmp_path / "x[1].tif", "rasters").files() == ["x[1].tif"]


# The step.


def run(folder: Path, files: Path, *more: str, tile: str = TILE) -> dict[str, dict[str, object]]:
    """Run the step for one tile; its manifest."""
    a_verdict(tile, SQUARE).write(folder / "q.json")
    (folder / "l.csv").write_text(f"# name: M\n{HEADER}10,10,A,#000001\n20,32767,B,#000002\n")
    out = folder / "clips/manifest.json"
    land_cover_map.main(
        ["--files", str(files), "--legend", str(folder / "l.csv"), *more]
        + ["--quality", str(folder / "q.json"), "--manifest", str(out)]
    )
    manifest: dict[str, dict[str, object]] = read_json(out)
    return manifest


def test_a_clip_is_named_after_its_pixels_and_place(tmp_path: Path) -> None:
    write_map(tmp_path / "a.tif", full(10))
    first = run(tmp_path, tmp_path / "*.tif")
    assert first["legend"] == {
        "map": "M", "credit": "", "classes": {"10": ["A", "#000001"], "32767": ["B", "#000002"]}
    }  # fmt: skip
    path = tmp_path / "clips" / str(first["tiles"][TILE]["clip"])  # type: ignore[index]
    clip = RasterClip.read(path, SQUARE)
    assert path.name == f"{TILE}-{clip.digest()}.tif"
    written = path.stat().st_mtime_ns
    # The same pixels in another file: nothing is written.
    write_map(tmp_path / "a.tif", full(10, "int16"), nodata=-1)
    assert run(tmp_path, tmp_path / "*.tif") == first
    assert path.stat().st_mtime_ns == written
    write_map(tmp_path / "a.tif", full(20))
    second = run(tmp_path, tmp_path / "*.tif")
    assert second["tiles"] != first["tiles"]
    assert [p.name for p in (tmp_path / "clips").glob("*.tif")] == [
        second["tiles"][TILE]["clip"]  # type: ignore[index]
    ]
    moved = TileSquare(32633, 300_010, 5_400_000, 2400)
    assert RasterClip(moved, clip.codes).digest() != clip.digest()


def test_a_map_of_other_years_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_map(tmp_path / "a.tif", full(10))
    run(tmp_path, tmp_path / "a.tif", "--year", "2019")
    assert "land cover may have changed" not in caplog.text
    tiles = run(tmp_path, tmp_path / "a.tif", "--year", "2021")["tiles"]
    said = "the land cover map is of 2021, the image of 2017: land cover may have changed"
    assert tiles[TILE]["remarks"] == [said]  # type: ignore[index]
    assert f"{TILE}: {said}" in caplog.text


def test_an_error_names_the_tile(tmp_path: Path) -> None:
    write_map(tmp_path / "a.tif", full(30))
    with pytest.raises(RasterError, match=rf"^{TILE}: .*a\.tif: expected the values of the"):
        run(tmp_path, tmp_path / "a.tif")
    with pytest.raises(RasterError, match=r"b\*\.tif: expected raster files .* found none"):
        run(tmp_path, tmp_path / "b*.tif")


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    RasterClip(SQUARE, np.full((PX, PX), 10, np.uint16)).write(path)
    other = TileSquare(32633, 310_000, 5_400_000, 2400)
    with pytest.raises(RasterError, match=r"a\.tif: expected the land cover of a tile .*remove"):
        RasterClip.read(path, other)
    rasterio.shutil.copy(path, tmp_path / "b.tif", driver="VRT")
    with pytest.raises(RasterError, match=r"b\.tif: .*a GeoTIFF does not begin with b'<VRT"):
        RasterClip.read(tmp_path / "b.tif", SQUARE)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(RasterError, match=r"a\.tif: expected the land cover of a tile"):
        RasterClip.read(path, SQUARE)


def test_reference_maps_hold_any_code(tmp_path: Path) -> None:
    codes = np.full((PX, PX), 32_767, np.uint16)
    codes[:60], codes[60:90] = 1, 1000
    grid = SQUARE.grid(1200)
    counts = reference_maps.make_reference_maps(
        TILE, grid, np.ones((2, 2), bool), codes, PatchWriter(tmp_path)
    )
    first = counts.filter(pl.col("patch_id") == f"{TILE}_00_00")
    assert first.select("code", "pixels").rows() == [(1, 7200), (1000, 3600), (32_767, 3600)]
    with rasterio.open(next(tmp_path.glob("*_00_00/*.tif"))) as dataset:
        assert (dataset.read(1) == codes[:120, :120]).all()
