"""The complete workflow on published patches gives exactly what was published.

Twelve patches of tile 33UUP are at their real place in a full-size product; the rest is
nodata. The README of the reference data says which polygons are real.
"""

import lmdb
import numpy as np
import polars as pl
import pytest
import rasterio
import safetensors.numpy

from reben.domain.bands import RESOLUTION_M
from reben.domain.tables import METADATA, PATCHES, SELECTION, read_table

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
PLACES = [
    "26_57",
    "27_55",
    "27_57",
    "27_59",
    "33_69",
    "34_69",
    "34_71",
    "37_88",
    "37_90",
    "38_58",
    "38_88",
    "70_40",
]
UNLABELLED = f"{TILE}_27_59"


def entries(path):
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return {key.decode(): bytes(value) for key, value in txn.cursor()}


@pytest.fixture(scope="module")
def metadata(scene_build):
    names = ("metadata", "metadata_for_patches_with_snow_cloud_or_shadow")
    tables = [read_table(scene_build / f"dataset/{name}.parquet", METADATA) for name in names]
    return pl.concat(tables).sort("patch_id")


def test_twelve_patches_are_valid_and_eleven_kept(scene_build):
    patches = read_table(scene_build / f"tables/patches/{TILE}.parquet", PATCHES)
    assert len(patches) == 8281
    assert patches.filter("valid")["patch_id"].to_list() == [f"{TILE}_{place}" for place in PLACES]
    selection = read_table(scene_build / "tables/selection.parquet", SELECTION)
    reasons = dict(
        selection.join(patches.filter("valid"), on="patch_id")
        .select("patch_id", "dropped_for")
        .iter_rows()
    )
    assert reasons.pop(UNLABELLED) == "too few labelled pixels"
    assert set(reasons.values()) == {None}


def test_every_entry_of_the_lmdb_is_the_published_one(scene_build, reference, metadata):
    ours = entries(scene_build / "dataset/BigEarthNet.lmdb")
    published = entries(reference / "scene/published_lmdb")
    kept = {*metadata["patch_id"], *metadata["s1_name"]}
    assert len(kept) == 22
    for key in kept:
        assert ours[key] == published[key], key
    assert set(ours) - kept == {f"{patch}_reference_map" for patch in metadata["patch_id"]}
    assert set(published) - kept == {UNLABELLED, "S1B_IW_GRDH_1SDV_20170612T165809_33UUP_27_59"}


def test_metadata_are_the_published_ones_but_for_moved_polygons(reference, metadata):
    published = (
        pl.concat(
            pl.read_parquet(reference / "published" / f"{name}.parquet")
            for name in ("metadata", "metadata_for_patches_with_snow_cloud_or_shadow")
        )
        .filter(pl.col("patch_id").is_in(metadata["patch_id"].implode()))
        .sort("patch_id")
    )
    for column in METADATA.names:
        if column != "labels":
            assert metadata[column].equals(published[column]), column
    true = pl.col("patch_id") == f"{TILE}_26_57"
    assert metadata.filter(true)["labels"].equals(published.filter(true)["labels"])


def test_reference_map_of_the_true_patch(scene_build, reference):
    (path,) = (reference / "patches/tiffs/BigEarthNet/Reference_Maps").glob("*/*/*.tif")
    patch = f"{TILE}_26_57"
    ours = scene_build / f"reference_maps/{TILE}/{patch}/{patch}_reference_map.tif"
    with rasterio.open(path) as published, rasterio.open(ours) as dataset:
        np.testing.assert_array_equal(dataset.read(), published.read())
        for tag in ("crs", "transform", "nodata", "dtypes", "compression"):
            assert getattr(dataset, tag) == getattr(published, tag), tag
    value = entries(scene_build / "dataset/BigEarthNet.lmdb")[f"{patch}_reference_map"]
    with rasterio.open(path) as published:
        np.testing.assert_array_equal(safetensors.numpy.load(value)["Data"], published.read(1))


def test_geotiff_tags_are_the_published_ones(scene_build, reference):
    """Another patch of the same tile was published as GeoTIFF: all but place and pixels agree."""
    for path in (reference / "patches/tiffs/BigEarthNet/BigEarthNet-S2").glob("*/*/*.tif"):
        band = path.stem.rsplit("_", 1)[1]
        patch = f"{TILE}_70_40"
        ours = scene_build / f"patches/{TILE}/{patch}/{patch}_{band}.tif"
        with rasterio.open(path) as published, rasterio.open(ours) as dataset:
            for tag in ("crs", "res", "nodata", "dtypes", "compression", "shape", "block_shapes"):
                assert getattr(dataset, tag) == getattr(published, tag), (band, tag)
            assert dataset.transform.c == 300_000 + 70 * 1200
            assert dataset.transform.f == 5_400_000 - 40 * 1200
            assert dataset.res == (RESOLUTION_M[band],) * 2
        assert ours.stat().st_size == path.stat().st_size


def test_the_funnel_accounts_for_every_patch(scene_build):
    row = pl.read_csv(scene_build / "dataset/funnel.csv").row(-1, named=True)
    assert (row["patches"], row["nodata"], row["kept"]) == (8281, 8269, 11)
    assert (row["too few labelled pixels"], row["snow, cloud or shadow"]) == (1, 2)
