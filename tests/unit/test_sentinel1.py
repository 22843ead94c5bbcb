"""Finding, choosing and checking Sentinel-1 patches."""

import numpy as np
import polars as pl
import pytest
import rasterio

from reben.domain.bands import S2_BANDS
from reben.domain.grid import TileGrid
from reben.encode import Encoder
from reben.patches import TilePatches, patch_table
from reben.runtime.errors import ProductError, RasterError
from reben.sentinel1 import choose, index_sentinel1, pair_sentinel1
from reben.storage.patch_files import PatchReader
from reben.synthetic import ProductSpec, write_sentinel1

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
SPEC = ProductSpec(f"{TILE}_20240101T000000", 32633, 300_000, 5_400_000, side_m=2400)


@pytest.fixture(scope="module")
def patches():
    grid = TileGrid(32633, 300_000, 5_400_000, 2400)
    return patch_table(TILE, grid, TilePatches({b: np.zeros((2, 2), bool) for b in S2_BANDS}, None))


@pytest.fixture
def root(tmp_path):
    write_sentinel1(tmp_path / "s1", SPEC, [(0, 0), (1, 0)], ["20170613T165043"])
    return tmp_path / "s1"


def test_nested_and_flat_layouts_are_found(root, tmp_path):
    nested = index_sentinel1(root)
    assert len(nested) == 2
    assert all("/" in folder for folder in nested["folder"])
    flat = tmp_path / "flat"
    flat.mkdir()
    for folder in nested["folder"]:
        (root / folder).rename(flat / folder.split("/")[1])
    found = index_sentinel1(flat)
    assert found.drop("folder").equals(nested.drop("folder"))
    assert found["folder"].to_list() == found["s1_name"].to_list()


def test_pairs_are_checked_and_unpadded_names_kept(root, patches):
    pairs = pair_sentinel1(patches, index_sentinel1(root), None, root)
    assert pairs["patch_id"].to_list() == [f"{TILE}_00_00", f"{TILE}_01_00"]
    assert pairs["s1_name"][1].endswith("_33UUP_1_0")


def test_the_nearest_in_time_is_taken(patches):
    index = pl.DataFrame(
        {
            "s1_name": ["late", "near", "also near"],
            "folder": ["a", "b", "c"],
            "mgrs": ["33UUP"] * 3,
            "col": [0] * 3,
            "row": [0] * 3,
            "sensing": ["2017-07-01T00:00:00", "2017-06-12T10:10:31", "2017-06-14T10:10:31"],
        }
    ).with_columns(
        pl.col("sensing").str.to_datetime(time_zone="UTC"), pl.col("col", "row").cast(pl.Int16)
    )
    assert choose(patches, index, None)["s1_name"].to_list() == ["also near"]


def test_the_alignment_decides_where_there_is_one(root, patches):
    index = index_sentinel1(root)
    alignment = pl.DataFrame(
        {"patch_id": [f"{TILE}_00_00"], "s1_name": [index["s1_name"][1]], "s2v1_name": ["x"]}
    )
    assert choose(patches, index, alignment)["s1_name"].to_list() == [index["s1_name"][1]]


def test_a_padded_copy_is_found_by_the_unpadded_names_of_v1(tmp_path, patches):
    root = tmp_path / "s1"
    write_sentinel1(root, SPEC, [(0, 0), (1, 0)], ["20170613T165043"], padded=True)
    index = index_sentinel1(root)
    assert index["s1_name"][1].endswith("_33UUP_01_00")
    v1 = "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_1_0"
    alignment = pl.DataFrame({"patch_id": [f"{TILE}_01_00"], "s1_name": [v1], "s2v1_name": ["x"]})
    pairs = pair_sentinel1(patches, index, alignment, root)
    assert pairs.rows() == [(f"{TILE}_01_00", v1, index["folder"][1])]
    write_sentinel1(root, SPEC, [(1, 0)], ["20170613T165043"])
    with pytest.raises(ProductError, match="occurs twice: .*_01_00.*_1_0"):
        index_sentinel1(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 60, "height": 60}, r"size in pixels: expected \(120, 120\), found \(60, 60\)"),
        ({"dtype": "int16"}, r"type: expected \('float32',\), found \('int16',\)"),
        ({"crs": "EPSG:32632"}, "EPSG code: expected 32633, found 32632"),
        ({"transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}, "corner and pixel size"),
    ],
)
def test_a_patch_of_another_form_is_named(root, patches, change, message):
    index = index_sentinel1(root)
    path = next((root / index["folder"][0]).glob("*_VV.tif"))
    with rasterio.open(path) as dataset:
        profile = dataset.profile | change
    path.unlink()
    with rasterio.open(path, "w", **profile):
        pass
    with pytest.raises(RasterError, match=rf"_VV\.tif: {message}"):
        pair_sentinel1(patches, index, None, root)


def rewrite(path, change):
    """Change the pixels of an image and nothing else; `change` takes and returns them."""
    with rasterio.open(path, "r+") as dataset:
        dataset.write(change(dataset.read(1)), 1)


def last_rows(value):
    def change(pixels):
        pixels[40:] = value
        return pixels

    return change


def left_part(value):
    def change(pixels):
        pixels[:, :10] = value
        return pixels

    return change


@pytest.mark.parametrize("band", ["VV", "VH"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: np.full_like(p, np.nan), "14400 of 14400 pixels are not finite"),
        (last_rows(np.nan), "9600 of 14400 pixels are not finite"),
        (last_rows(-np.inf), "9600 of 14400 pixels are not finite"),
        (lambda p: np.where(p == p.max(), np.inf, p), "1 of 14400 pixels are not finite"),
        (lambda p: np.zeros_like(p), r"all pixels are 0\.0, which is no backscatter"),
        (lambda p: np.full_like(p, -9999), r"all pixels are -9999\.0, which is no backscatter"),
        (last_rows(0), "9600 of 14400 pixels are exactly 0, as where a scene ends"),
        (left_part(0), "1200 of 14400 pixels are exactly 0, as where a scene ends"),
        (left_part(-9999), r"1200 of 14400 pixels are beyond 200 dB, such as -9999\.0"),
    ],
)
def test_pixels_that_are_no_backscatter_are_refused(root, patches, band, change, message):
    """In the pairing, before the other tiles are cut, and in the encoder."""
    index = index_sentinel1(root)
    path = next((root / index["folder"][1]).glob(f"*_{band}.tif"))
    rewrite(path, change)
    with pytest.raises(RasterError, match=rf"_{band}\.tif: {message}.*; fetch .* sentinel1\.root"):
        pair_sentinel1(patches, index, None, root)
    with pytest.raises(RasterError, match=rf"_{band}\.tif: {message}"):
        Encoder("s1", 1200).encode(PatchReader(root), index["folder"][1])


def test_a_pixel_of_0_db_is_backscatter(root, patches):
    index = index_sentinel1(root)
    path = next((root / index["folder"][1]).glob("*_VV.tif"))
    rewrite(path, lambda p: np.where(p == p.max(), 0, p))
    assert len(pair_sentinel1(patches, index, None, root)) == len(index)


def test_a_truncated_image_is_found_when_it_is_paired(root, patches):
    index = index_sentinel1(root)
    path = next((root / index["folder"][0]).glob("*_VH.tif"))
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(RasterError, match=r"_VH\.tif: expected 58008 bytes, found 38008"):
        pair_sentinel1(patches, index, None, root)


@pytest.mark.parametrize(
    ("sensing", "found"),
    [
        ("2014-06-13T16:50:43", False),
        ("2017-06-07T10:10:30", False),
        ("2017-06-07T10:10:31", True),
        ("2017-06-19T10:10:31", True),
        ("2017-06-19T10:10:32", False),
        ("2020-06-13T16:50:43", False),
    ],
)
def test_a_pair_that_is_too_far_apart_in_time_is_none(patches, caplog, sensing, found):
    """An alignment says which it is, whatever the time."""
    index = pl.DataFrame(
        {"s1_name": ["S1"], "folder": ["a"], "mgrs": ["33UUP"], "col": [0], "row": [0]}
        | {"sensing": [sensing]}
    ).with_columns(
        pl.col("sensing").str.to_datetime(time_zone="UTC"), pl.col("col", "row").cast(pl.Int16)
    )
    assert len(choose(patches, index, None)) == found
    assert ("1 patches have no Sentinel-1 patch within 144 hours" in caplog.text) != found
    assert len(choose(patches, index, None, max_gap_h=1e5)) == 1
    alignment = pl.DataFrame({"patch_id": patches["patch_id"][:1], "s1_name": ["S1"]})
    assert len(choose(patches, index, alignment)) == 1


def test_a_missing_image_is_named(root, patches):
    index = index_sentinel1(root)
    next((root / index["folder"][0]).glob("*_VH.tif")).unlink()
    with pytest.raises(RasterError, match=r"_VH\.tif: expected a GeoTIFF: .*No such file"):
        pair_sentinel1(patches, index, None, root)


def test_an_empty_root_and_a_double_are_refused(root, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProductError, match="empty: expected folders of BigEarthNet-S1"):
        index_sentinel1(tmp_path / "empty")
    name = index_sentinel1(root)["s1_name"][0]
    (root / name).mkdir()
    with pytest.raises(ProductError, match="the same patch occurs twice"):
        index_sentinel1(root)
