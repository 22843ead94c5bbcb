"""Scenes on the grid of a tile: interpolated as power, exact on equal grids, never filled."""

import re

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from pyproj import Transformer
from rasterio.transform import from_origin
from rasterio.windows import Window

from reben.backscatter.on_tile import Block, Placement, SceneOnTile, open_rasters
from reben.backscatter.scene_raster import ScaleCheck, SceneRaster
from reben.config.scene_row import SceneRow
from reben.domain.grid import TileSquare
from reben.runtime.errors import RasterError
from tests.scenes import EVENING, GRID, power, write_scene

BLOCK = Block(0, 0, 240, 240)


def oracle(power_, place, epsg, tile, block):
    """Bilinear by pyproj and array indexing, pixel by pixel: decibels, NaN at masked neighbours.

    Returns:
        They, and where a centre is so near a line of centres that either side is right.
    """
    x_min, _, _, y_max = block.bounds(tile)
    row, col = np.indices((block.rows, block.cols)) + 0.5
    transformer = Transformer.from_crs(tile.epsg, epsg, always_xy=True)
    x, y = transformer.transform(x_min + 10 * col, y_max - 10 * row)
    if epsg == 4326:  # beside the raster, which may be beyond the antimeridian
        x = np.where(x - place.c < -180, x + 360, np.where(x - place.c > 180, x - 360, x))
    col, row = ~place @ np.stack([x.ravel(), y.ravel()])
    col, row = col.reshape(x.shape) - 0.5, row.reshape(x.shape) - 0.5
    c, r = np.floor(col).astype(int), np.floor(row).astype(int)
    height, width = power_.shape
    inside = (c >= 0) & (r >= 0) & (c + 1 < width) & (r + 1 < height)
    c, r = np.where(inside, c, 0), np.where(inside, r, 0)
    right, down = col - np.floor(col), row - np.floor(row)
    values = power_.astype(float)
    top = values[r, c] * (1 - right) + values[r, c + 1] * right
    bottom = values[r + 1, c] * (1 - right) + values[r + 1, c + 1] * right
    found = np.where(inside, 10 * np.log10(top * (1 - down) + bottom * down), np.nan)
    # The approximated transform may be 0.001 pixels off: there the kernel may be the next one.
    edge = np.minimum(np.minimum(right, 1 - right), np.minimum(down, 1 - down)) < 0.002
    return found, edge


def check(found, expected, edge):
    np.testing.assert_array_equal(np.isnan(found)[~edge], np.isnan(expected)[~edge])
    both = np.isfinite(found) & np.isfinite(expected)
    assert both.mean() > 0.3
    np.testing.assert_allclose(found[both], expected[both], atol=0.03)  # neighbours differ by 20 dB


@pytest.mark.parametrize(
    ("tile", "epsg", "corner", "resolution"),
    [
        (GRID, 32633, (299_873.0, 5_400_131.0), 10),
        (GRID, 32633, (299_873.0, 5_400_131.0), 20),
        (GRID, 32632, (740_330.0, 5_404_120.0), 10),  # at the edge of a zone
        (GRID, 4326, (12.2687, 48.7268), 0.0001),
        (TileSquare(32733, 300_000, 8_200_000, 2400), 32733, (299_873.0, 8_200_131.0), 10),
        (TileSquare(32601, 165_000, 110_000, 2400), 4326, (179.98, 1.0), 0.0001),
        (TileSquare(32601, 165_000, 110_000, 2400), 4326, (-180.02, 1.0), 0.0001),
        (TileSquare(32601, 165_000, 110_000, 2400), 32660, (832_700.0, 110_500.0), 10),
    ],
    ids=["off the grid", "20 m", "other zone", "degrees", "south", "past 180", "past -180", "60"],
)  # fmt: skip
def test_an_independent_oracle_agrees(tmp_path, tile, epsg, corner, resolution):
    vv = power((400, 400))
    vv[150:158, 180:210] = vv[60:64, 70:80] = 0
    row = write_scene(tmp_path, vv=vv, vh=vv, epsg=epsg, corner=corner, resolution_m=resolution)
    with SceneOnTile.open(row, tile) as scene:
        found, _ = scene.read(BLOCK)
    masked = np.where(vv == 0, np.nan, vv)
    place = from_origin(*corner, resolution, resolution)
    check(found["VV"], *oracle(masked, place, epsg, tile, BLOCK))
    assert np.isnan(found["VV"]).any()
    assert found["VH"].tobytes() == found["VV"].tobytes()


@pytest.mark.parametrize("scale", ["db", "power", "amplitude"])
def test_scales_give_the_same_decibels(tmp_path, scale):
    vv = power((270, 270))
    values = {"db": 10 * np.log10(vv), "power": vv, "amplitude": np.sqrt(vv)}[scale]
    row = write_scene(tmp_path, vv=values, vh=values, scale=scale)
    with SceneOnTile.open(row, GRID) as scene:
        found, _ = scene.read(BLOCK)
    place = from_origin(299_873, 5_400_131, 10, 10)
    check(found["VV"], *oracle(vv, place, 32633, GRID, BLOCK))


def test_decibels_on_the_grid_of_the_tile_are_copied_bit_by_bit(tmp_path):
    vv = (10 * np.log10(power((270, 270)))).astype(np.float32)
    vv[3, 5], vv[30, 50] = np.nan, -99
    row = write_scene(tmp_path, vv=vv, vh=vv, scale="db", corner=(299_870, 5_400_130), nodata=-99)
    with SceneOnTile.open(row, GRID) as scene:
        found, _ = scene.read(Block(5, 7, 100, 90))
    expected = np.where(vv == -99, np.nan, vv).astype(np.float32)[18:118, 20:110]
    assert found["VV"].tobytes() == expected.tobytes()


def test_a_raster_of_small_pixels_is_read_in_parts(tmp_path, monkeypatch):
    vv = power((400, 400))
    row = write_scene(tmp_path, epsg=32632, corner=(740_330, 5_404_120), vv=vv, vh=vv)
    with SceneOnTile.open(row, GRID) as scene:
        whole, _ = scene.read(BLOCK)
        monkeypatch.setattr("reben.backscatter.on_tile._MAX_SOURCE_PX", 10_000)
        parts, values = scene.read(BLOCK)
    np.testing.assert_allclose(parts["VV"], whole["VV"], atol=0.05)
    assert values["VV"].size >= 240 * 240


def test_a_scene_elsewhere_does_not_meet_the_tile(tmp_path):
    row = write_scene(tmp_path, corner=(302_441, 5_400_131))
    with SceneOnTile.open(row, GRID) as scene:
        assert scene.read(BLOCK) is None
        assert not Placement(scene.rasters["VV"].grid, GRID).meets()
    with SceneOnTile.open(write_scene(tmp_path), GRID) as scene:
        assert Placement(scene.rasters["VV"].grid, GRID).meets()


def test_the_real_cut_out_is_interpolated_as_power(reference):
    """Off the grid, 20 m, decibels with nodata -99; interpolating decibels would be off."""
    (path,) = (reference / "sentinel1/geocoded").glob("*.tif")
    with rasterio.open(path) as dataset:
        decibels, place = dataset.read(1), dataset.transform
        x, y = place @ (dataset.width // 2, dataset.height // 2)
    tile = TileSquare(32631, round(x, -1), round(y, -1), 2400)
    raster = SceneRaster(path, "db")
    assert 19 < raster.grid.spacing_m < 21
    scene = SceneOnTile(SceneRow(EVENING, str(path), str(path), "db"), tile)
    found, _ = scene.read(BLOCK)
    masked = np.where(decibels == -99, np.nan, 10 ** (decibels.astype(float) / 10))
    check(found["VV"], *oracle(masked, place, 32631, tile, BLOCK))


def test_vv_and_vh_must_share_their_grid(tmp_path):
    row = write_scene(tmp_path, vh=power((270, 271)))
    with pytest.raises(RasterError, match=r"_VH\.tif: expected the grid of .*_VV\.tif, found anot"):
        open_rasters(row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": None}, "expected a geocoded raster, found one without a CRS; apply terrain"),
        ({"transform": rasterio.Affine.identity()}, "expected .* without a place"),
        ({"count": 2}, "expected one band, found 2; write each polarisation"),
        ({"dtype": "complex64"}, "expected real numbers, found complex64"),
    ],
)
def test_rasters_that_cannot_be_used_are_named(tmp_path, change, message):
    path = tmp_path / "raster.tif"
    profile = {
        "driver": "GTiff", "width": 10, "height": 10, "count": 1, "dtype": "float32",
        "crs": "EPSG:32633", "transform": from_origin(300_000, 5_400_000, 10, 10),
    } | change  # fmt: skip
    with rasterio.open(path, "w", **profile):
        pass
    with pytest.raises(RasterError, match=rf"raster\.tif: {message}"):
        SceneRaster(path, "power")


def test_only_plain_rasters_of_this_machine_are_opened(tmp_path):
    path = tmp_path / "raster.tif"
    path.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    with pytest.raises(RasterError, match="expected a GeoTIFF or an ENVI image of one polaris"):
        SceneRaster(path, "power")
    # One that GDAL can read: it would take pixels from any file.
    with rasterio.open(
        tmp_path / "plain.tif", "w", width=1, height=1, count=1, dtype="float32",
        crs=32633, transform=from_origin(0, 0, 10, 10),
    ):  # fmt: skip
        pass
    rasterio.shutil.copy(tmp_path / "plain.tif", path, driver="VRT")
    with pytest.raises(RasterError, match="a GeoTIFF does not begin with b'<VRT"):
        SceneRaster(path, "power")
    (tmp_path / "x.img").write_bytes(bytes(400))
    with pytest.raises(RasterError, match=r"x\.img: expected .*No such file"):
        SceneRaster(tmp_path / "x.img", "power")
    (tmp_path / "x.hdr").write_text("ERDAS\n")
    with pytest.raises(RasterError, match=r"x\.hdr: the header of an ENVI image does not begin"):
        SceneRaster(tmp_path / "x.img", "power")


def test_images_of_snap_are_read(tmp_path):
    """BEAM-DIMAP: bare pixels, the most significant byte first, and a text beside them."""
    pixels = power((10, 12))
    (tmp_path / "Sigma0_VV.img").write_bytes(pixels.astype(">f4").tobytes())
    (tmp_path / "Sigma0_VV.hdr").write_text(
        "ENVI\nsamples = 12\nlines = 10\nbands = 1\nheader offset = 0\nfile type = ENVI Standard\n"
        "data type = 4\ninterleave = bsq\nbyte order = 1\n"
        "map info = {UTM, 1.0, 1.0, 300000.0, 5400000.0, 10.0, 10.0, 33, North, WGS-84, "
        "units=Meters}\n"
    )
    (tmp_path / "Sigma0_VV.sta").write_bytes(b"ENVI" + bytes(4000))  # which GDAL would read too
    with pytest.raises(RasterError, match=r"Sigma0_VV\.hdr: expected the header .* other files"):
        SceneRaster(tmp_path / "Sigma0_VV.img", "power")
    (tmp_path / "Sigma0_VV.sta").unlink()
    raster = SceneRaster(tmp_path / "Sigma0_VV.img", "power")
    assert Placement(raster.grid, GRID).offset == (0, 0)
    np.testing.assert_array_equal(raster.read(Window(0, 0, 12, 10)), pixels)


@pytest.mark.parametrize(
    ("scale", "values", "message"),
    [
        ("power", np.full(200, -12.0), "scale is power, but 200 of 200 pixels are below 0; .* db"),
        ("amplitude", np.full(200, -12.0), "the scale is amplitude, .* likely db"),
        ("power", np.r_[-0.001, np.full(199, 0.1)], "1 of 200 pixels are below 0; power has none"),
        ("db", np.full(200, 0.05), "scale is db, but none of 200 pixels is below 0; .* power"),
        ("db", np.full(200, 0.3), "they are likely amplitude or power"),
        ("db", np.full(200, 150.0), "they are likely amplitude, not calibrated"),
        ("db", np.full(50, 2.0), None),
        ("db", np.r_[np.full(199, 2.0), -1], None),
        ("power", np.r_[np.full(199, 0.1), np.nan], None),
    ],
)
def test_values_that_are_not_of_the_stated_scale_name_the_likely_one(scale, values, message):
    check = ScaleCheck("x.tif", scale)
    check.note(values.astype(np.float32))
    flaw = check.flaw()
    assert (flaw is None) == (message is None)
    assert message is None or re.search(rf"^x\.tif: .*{message}", flaw)
