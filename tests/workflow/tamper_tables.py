"""Tampering with tables, like `tamper_images` with images."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from reben.domain.tables import (
    COUNTRIES,
    LABELS,
    METADATA,
    PATCHES,
    SELECTION,
    SENTINEL1,
    SNOW_CLOUD,
    SPLIT,
    read_table,
    write_table,
)
from reben.runtime.files import read_json, write_json, write_text
from tests.workflow.edits import CLEAR, FIRST, LMDB, OBSCURED, at, metadata, put, rewrite


def dropped_row(results: Path) -> str:
    frame = read_table(results / CLEAR, METADATA)
    write_table(results / CLEAR, frame[1:], METADATA)
    return f"{CLEAR}: {frame['patch_id'][0]} has no row; by the tables of the steps it should"


def dropped_everywhere(results: Path) -> str:
    row = metadata(results).row(0, named=True)
    patch = row["patch_id"]
    frame = read_table(results / CLEAR, METADATA)
    write_table(results / CLEAR, frame.filter(pl.col("patch_id") != patch), METADATA)
    for key in (patch, row["s1_name"], f"{patch}_reference_map"):
        put(results / LMDB, key, None)
    reason = "too few labelled pixels"
    rewrite(results, "tables/selection.parquet", SELECTION, at(patch, "dropped_for", reason))
    return f"tables/selection.parquet: {patch}: dropped_for is {reason}, by "


def doubled_row(results: Path) -> str:
    frame = read_table(results / CLEAR, METADATA)
    write_table(results / CLEAR, pl.concat([frame[:1], frame]), METADATA)
    return f"{CLEAR}: {frame['patch_id'][0]} has several rows"


def order_of_rows(results: Path) -> str:
    write_table(results / CLEAR, read_table(results / CLEAR, METADATA).reverse(), METADATA)
    return f"{CLEAR}: the rows are not sorted by patch_id"


def types(results: Path) -> str:
    table = pq.read_table(results / CLEAR)
    column = table["labels"].cast(pa.large_list(pa.large_string()))
    pq.write_table(table.set_column(1, "labels", column), results / CLEAR)
    return f"{CLEAR}: expected the column pyarrow.Field<labels: list<item: string>>, found "


def added_label(results: Path) -> str:
    patch, labels = metadata(results).row(0)[:2]
    more = sorted({*labels, "Agro-forestry areas", "Beaches, dunes, sands"})
    rewrite(results, CLEAR, METADATA, at(patch, "labels", more))
    rewrite(results, f"tables/labels/{FIRST}.parquet", LABELS, at(patch, "labels", more))
    return f"{CLEAR}: {patch}: labels is {more}, by its reference map it is {labels}"


def order_of_labels(results: Path) -> str:
    patch, labels = metadata(results).filter(pl.col("labels").list.len() > 1).row(0)[:2]
    rewrite(results, CLEAR, METADATA, at(patch, "labels", labels[::-1]))
    return f"{CLEAR}: {patch}: labels is {labels[::-1]}, by its reference map it is {labels}"


def swap(results: Path, tables: dict[str, pa.Schema], column: str, values: dict[str, str]) -> None:
    """Change a column for some patches in several tables."""
    for table, schema in tables.items():
        for patch, value in values.items():
            rewrite(results, table, schema, at(patch, column, value))


def swapped_splits(results: Path) -> str:
    first = metadata(results).unique("split", keep="first", maintain_order=True)
    (one, split), (other, other_split) = first.select("patch_id", "split").rows()[:2]
    tables = {CLEAR: METADATA, f"tables/split/{FIRST}.parquet": SPLIT}
    swap(results, tables, "split", {one: other_split, other: split})
    return f"{CLEAR}: {one}: split is {other_split}, by its place in the tile it is {split}"


def country(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    rewrite(results, CLEAR, METADATA, at(patch, "country", "Utopia"))
    rewrite(results, "tables/countries.parquet", COUNTRIES, at(patch, "country", "Utopia"))
    return f"{CLEAR}: {patch}: country is Utopia, by inputs/countries.gpkg it is "


def flag(results: Path) -> str:
    frame = read_table(results / OBSCURED, METADATA)
    patch, column = frame["patch_id"][0], "contains_seasonal_snow"
    moved = frame[:1].with_columns(pl.lit(False).alias(column))
    clear = pl.concat([read_table(results / CLEAR, METADATA), moved]).sort("patch_id")
    write_table(results / CLEAR, clear, METADATA)
    write_table(results / OBSCURED, frame[1:], METADATA)
    rewrite(results, "tables/snow_cloud.parquet", SNOW_CLOUD, at(patch, column, False))
    return f"{CLEAR}: {patch}: {column} is False, by the scene classification it is True"


def names_of_sentinel1(results: Path) -> str:
    (one, first), (other, second) = metadata(results).select("patch_id", "s1_name").rows()[:2]
    tables = {CLEAR: METADATA, f"tables/sentinel1/{FIRST}.parquet": SENTINEL1}
    swap(results, tables, "s1_name", {one: second, other: first})
    return f"{CLEAR}: {one}: its s1_name is of another place, {second}"


def name_of_v1(results: Path) -> str:
    patch = metadata(results)["patch_id"][1]
    name = "S2A_MSIL2A_20170613T101031_0_0"
    rewrite(results, CLEAR, METADATA, at(patch, "s2v1_name", name))
    return f"{CLEAR}: {patch}: its s2v1_name is of another patch, {name}"


def place(results: Path) -> str:
    path = f"tables/patches/{FIRST}.parquet"
    patch = metadata(results)["patch_id"][0]
    rewrite(results, path, PATCHES, at(patch, "x_min", 0))
    return f"{path}: {patch}: x_min is 0, by the grid of its tile and the audit it is 342000"


def counted_codes(results: Path) -> str:
    path = f"tables/code_counts/{FIRST}.parquet"
    table = pq.read_table(results / path)
    column = table.column_names.index("pixels")
    more = pa.array([n + 1 for n in table["pixels"].to_pylist()], pa.int32())
    pq.write_table(table.set_column(column, "pixels", more), results / path)
    patch = metadata(results)["patch_id"][0]
    return f"{path}: {patch}: codes is [{{'code': "


def class_counts(results: Path) -> str:
    path = results / "dataset/class_counts.csv"
    header, first, *others = path.read_text().splitlines()
    write_text(path, "\n".join([header, f"{first}7", *others]) + "\n")
    return f"dataset/class_counts.csv: expected {first!r}, found '{first}7'"


def funnel(results: Path) -> str:
    path = results / "dataset/funnel.csv"
    write_text(path, path.read_text().replace(f"{FIRST},9,0", f"{FIRST},9,1"))
    return f"dataset/funnel.csv: expected '{FIRST},9,0"


def verdict(results: Path) -> str:
    path = results / f"quality/{FIRST}.json"
    value = read_json(path)
    value["indicators"]["GENERAL_QUALITY"] = "FAILED"
    write_json(path, value)
    return f"quality/{FIRST}.json: reasons: expected ['GENERAL_QUALITY=FAILED'], found []"


def clip(results: Path) -> str:
    (path,) = (results / "land_cover").glob(f"{FIRST}-*.parquet")
    table = pq.read_table(path)
    codes = pa.array([211] * len(table), table["code"].type)
    kept = table.set_column(0, "code", codes).replace_schema_metadata(table.schema.metadata)
    pq.write_table(kept, path)
    return f"{path.relative_to(results)}: its content has the digest "


ALL = [
    dropped_row, dropped_everywhere, doubled_row, order_of_rows, types, added_label,
    order_of_labels, swapped_splits, country, flag, names_of_sentinel1, name_of_v1, place,
    counted_codes, class_counts, funnel, verdict, clip,
]  # fmt: skip
