"""The table steps against all available published rows: 251,690 patches of 58 tiles.

From patch ids and labels alone, the steps must give the published split, names and
flags.
"""

import polars as pl
import pyarrow.parquet as pq
import pytest

from reben.alignment import align_patches, read_pairs
from reben.domain.name_columns import place_of_patch, tile_of_patch
from reben.domain.split_geometry import SPLITS
from reben.domain.tables import METADATA, read_table, write_table
from reben.land_cover.nomenclature import read_nomenclature
from reben.metadata import build_metadata, count_classes, divide
from reben.snow_cloud import flag_snow_cloud, read_names
from reben.split import assign_split

CLEAR = "metadata.parquet"
OBSCURED = "metadata_for_patches_with_snow_cloud_or_shadow.parquet"


@pytest.fixture(scope="module")
def published(reference):
    return {name: pl.read_parquet(reference / "published" / name) for name in (CLEAR, OBSCURED)}


@pytest.fixture(scope="module")
def rebuilt(reference, published):
    rows = pl.concat(published.values()).sort("patch_id").select("patch_id", "labels")
    place = place_of_patch().str.split("_").list
    col, row = (place.get(at).cast(pl.Int32) for at in (0, 1))
    # All tiles are full-size; their places on the ground do not matter here.
    patches = rows.select(
        "patch_id",
        tile=tile_of_patch(),
        col=col.cast(pl.Int16),
        row=row.cast(pl.Int16),
        x_min=col * 1200,
        x_max=col * 1200 + 1200,
        y_max=-row * 1200,
        y_min=-row * 1200 - 1200,
        tile_x_min=pl.lit(0),
        tile_y_max=pl.lit(0),
        tile_side_m=pl.lit(109_800),
        snow_fraction=pl.lit(None, pl.Float64),
        cloud_fraction=pl.lit(None, pl.Float64),
        shadow_fraction=pl.lit(None, pl.Float64),
    )
    v1 = reference / "bigearthnet_v1"
    alignment = align_patches(patches, read_pairs(v1 / "s1_s2_name_country_season.csv.bz2"))
    flags = flag_snow_cloud(
        patches,
        alignment,
        read_names(v1 / "patches_with_seasonal_snow.csv.bz2", aligned=True),
        read_names(v1 / "patches_with_cloud_and_shadow.csv.bz2", aligned=True),
        0.5,
    )
    selection = patches.select("patch_id", "tile", dropped_for=pl.lit(None, pl.String))
    split = assign_split(patches, 0.25, 0.25)
    return build_metadata(selection, rows, split, flags, alignment=alignment)


def test_split_names_and_flags_of_every_row(published, rebuilt):
    clear, obscured = divide(rebuilt)
    for ours, theirs in ((clear, published[CLEAR]), (obscured, published[OBSCURED])):
        theirs = theirs.sort("patch_id")
        assert len(ours) == len(theirs)
        for column in METADATA.names:
            if column != "country":  # needs footprints, which test_countries.py has
                assert ours[column].equals(theirs[column]), column
    assert len(rebuilt) == 251_690


def test_columns_order_and_types_are_the_published_ones(reference, rebuilt, tmp_path):
    write_table(tmp_path / "m.parquet", rebuilt, METADATA)
    for name in (CLEAR, OBSCURED):
        published = pq.read_schema(reference / "published" / name).remove_metadata()
        assert pq.read_schema(tmp_path / "m.parquet").remove_metadata().equals(published)
    assert (
        pq.ParquetFile(tmp_path / "m.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    )


def test_the_same_rows_give_the_same_bytes(rebuilt, tmp_path):
    write_table(tmp_path / "a.parquet", rebuilt, METADATA)
    write_table(tmp_path / "b.parquet", read_table(tmp_path / "a.parquet", METADATA), METADATA)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_class_counts_equal_a_plain_count(published):
    classes = list(read_nomenclature("resources/nomenclature/bigearthnet_19.csv").values())
    table = count_classes(published[CLEAR], classes)
    plain: dict[tuple[str, str], int] = {}
    for labels, split in published[CLEAR].select("labels", "split").iter_rows():
        for label in labels:
            plain[label, split] = plain.get((label, split), 0) + 1
    assert table["class"].to_list() == list(dict.fromkeys(classes))
    for row in table.iter_rows(named=True):
        assert [row[split] for split in SPLITS] == [plain[row["class"], split] for split in SPLITS]
        assert row["total"] == sum(row[split] for split in SPLITS)
