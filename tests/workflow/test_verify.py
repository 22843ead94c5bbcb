"""What `reben.verify` says about tampering: plain, and with an audit forged to go with it."""

import json
import random
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from safetensors.numpy import load, save

from reben.audit import __main__ as audit
from reben.audit import digests, provenance
from reben.files import read_json, write_json, write_text
from reben.patch_tar import patch_writer
from reben.tables import (
    ALIGNMENT,
    COUNTRIES,
    LABELS,
    METADATA,
    OBSCURED_TABLE,
    PATCHES,
    SELECTION,
    SENTINEL1,
    SNOW_CLOUD,
    SPLIT,
    read_table,
    write_table,
)
from reben.verify.checks import verify
from reben.verify.claims import Build as Claimed
from tests.workflow.builds import TILES, Build

CLEAR, OBSCURED = "dataset/metadata.parquet", f"dataset/{OBSCURED_TABLE}"
LMDB = "dataset/BigEarthNet.lmdb"
FIRST, SECOND = TILES
KINDS = ("s2", "s1", "reference_maps")

SOFTWARE = cache(provenance.software)

#: Changes results, and returns how the finding starts that content alone gives away.
Tampering = Callable[[Path], str]


@pytest.fixture
def results(audited: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results, moved elsewhere, that a test may tamper with."""
    monkeypatch.chdir(audited.root)
    monkeypatch.setattr(provenance, "software", SOFTWARE)  # else asked for each forgery
    return Path(shutil.copytree(audited.results, tmp_path / "moved"))


def look(results: Path, sample: int | None = None) -> tuple[list[str], list[str]]:
    """What verify finds, and what it remarks, with paths relative to the results."""
    build = Claimed.open(results, sample)
    found = verify(build)
    return tuple([str(line).replace(f"{results}/", "") for line in lines]
                 for lines in (found, build.remarks()))  # type: ignore[return-value]  # fmt: skip


def findings(results: Path, sample: int | None = None) -> list[str]:
    return look(results, sample)[0]


def forge(results: Path) -> None:
    """Audit what was tampered with, as somebody would who has the workflow."""
    manifest = read_json(results / "audit/manifest.json")
    for tile in manifest["outputs"]["tiles"]:
        shards = [results / f"encoded/{kind}/{tile}.lmdb" for kind in KINDS]
        digests.main(
            ["--tile", tile, "--patches", str(results / "patches" / tile)]
            + ["--reference-maps", str(results / "reference_maps" / tile)]
            + ["--shards", *map(str, shards), "--out", str(results / "audit/tiles")]
        )
    audit.main(
        ["--results", str(results), "--config", json.dumps(manifest["config"])]
        + ["--snakemake", "9"]
    )


def metadata(results: Path) -> pl.DataFrame:
    """The rows of the first tile in the first table."""
    frame = read_table(results / CLEAR, METADATA)
    return frame.filter(pl.col("patch_id").str.starts_with(FIRST))


def rewrite(results: Path, table: str, schema: pa.Schema, *changes: pl.Expr) -> None:
    """Change columns of a table."""
    frame = read_table(results / table, schema)
    write_table(results / table, frame.with_columns(*changes), schema)


def at(patch: str, column: str, value: object) -> pl.Expr:
    """A column with another value at one patch."""
    new = pl.lit(value, dtype=pl.List(pl.String)) if isinstance(value, list) else pl.lit(value)
    return pl.when(pl.col("patch_id") == patch).then(new).otherwise(column).alias(column)


def tiff(results: Path, patch: str, layer: str) -> Path:
    stage = "reference_maps" if layer == "reference_map" else "patches"
    return results / stage / patch[:-6] / patch / f"{patch}_{layer}.tif"


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def exchange(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def put(store: Path, key: str, value: bytes | None) -> None:
    """Write an entry into an LMDB behind the workflow's back, or take it out."""
    with lmdb.open(str(store), map_size=1 << 30, lock=False) as env, env.begin(write=True) as txn:
        txn.delete(key.encode()) if value is None else txn.put(key.encode(), value)


def entry(store: Path, key: str) -> bytes:
    with lmdb.open(str(store), readonly=True, lock=False) as env, env.begin() as txn:
        return bytes(txn.get(key.encode()))


def geotiff(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    flip(tiff(results, patch, "B05"))
    return f"patches/{FIRST}/{patch}: the entry {patch!r} differs in B05 from encoded/s2/"


def bands(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    exchange(tiff(results, patch, "B02"), tiff(results, patch, "B03"))
    return f"patches/{FIRST}/{patch}: the entry {patch!r} differs in B02 B03 from encoded/s2/"


def crs(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<H", 32633), struct.pack("<H", 32632), 1))
    return f"{path.relative_to(results)}: CRS: expected EPSG:32633, found EPSG:32632"


def tie_point(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = rasterio.Affine(10, 0, 0, 0, -10, 0)
    return f"{path.relative_to(results)}: transform: expected (10.0, 0.0, "


def nodata(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = 7
    return f"{path.relative_to(results)}: nodata: expected 0, found 7"


def trailing(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    path.write_bytes(path.read_bytes() + b"hidden")
    return f"{path.relative_to(results)}: tags or bytes that no build writes"


def added_layer(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    shutil.copy(tiff(results, patch, "B02"), tiff(results, patch, "B10"))
    return f"patches/{FIRST}: {patch}_B10.tif is in the audit, but no layer"


def misplaced(results: Path) -> str:
    one, other = metadata(results)["patch_id"][:2]
    path = tiff(results, other, "B01").with_name(f"{one}_B01.tif")
    shutil.copy(tiff(results, one, "B01"), path)
    return f"{path.relative_to(results)}: is in the folder of no patch, or of another one"


def empty_folder(results: Path) -> str:
    (results / f"patches/{FIRST}/{FIRST}_99_99").mkdir()
    return f"patches/{FIRST}/{FIRST}_99_99: is empty; no patch of that name was audited"


def whole_patch(results: Path) -> str:
    one, other = metadata(results)["patch_id"][:2]
    for path in (results / f"patches/{FIRST}/{one}").iterdir():
        exchange(path, tiff(results, other, path.stem.rpartition("_")[2]))
    return f"patches/{FIRST}/{one}: the entry {one!r} differs in B01 "


def reference_map(results: Path) -> str:
    one, other = metadata(results).unique("labels", maintain_order=True)["patch_id"][:2]
    shutil.copy(tiff(results, other, "reference_map"), tiff(results, one, "reference_map"))
    key = f"{one}_reference_map"
    return f"reference_maps/{FIRST}/{one}: the entry {key!r} differs in Data from encoded/"


def one_pixel_of_a_map_everywhere(results: Path) -> str:
    """In GeoTIFF, shard and LMDB alike; only the polygons know."""
    patch = metadata(results)["patch_id"][0]
    path, key = tiff(results, patch, "reference_map"), f"{patch}_reference_map"
    with rasterio.open(path) as dataset:
        profile, pixels = dataset.profile, dataset.read(1)
    pixels[0, 0] = 111 if pixels[0, 0] != 111 else 112
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels, 1)
    for store in (LMDB, f"encoded/reference_maps/{FIRST}.lmdb"):
        put(results / store, key, save({"Data": pixels}))
    return f"reference_maps/{FIRST}/{patch}: {key}: 1 of 14400 pixels are not what the polygons"


def nodata_everywhere(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    data = bytearray(tiff(results, patch, "B03").read_bytes())
    data[-2:] = b"\0\0"
    tiff(results, patch, "B03").write_bytes(data)
    for store in (LMDB, f"encoded/s2/{FIRST}.lmdb"):
        value = {name: array.copy() for name, array in load(entry(results / store, patch)).items()}
        value["B03"][-1, -1] = 0
        put(results / store, patch, save(value))
    return f"patches/{FIRST}/{patch}: {patch}: expected a valid patch, found nodata in B03"


def shard_byte(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    path = results / f"encoded/s2/{FIRST}.lmdb"
    value = bytearray(entry(path, patch))
    data = bytearray((path / "data.mdb").read_bytes())
    data[data.find(bytes(value[-2000:])) + 1999] ^= 1
    (path / "data.mdb").write_bytes(data)
    return f"encoded/s2/{FIRST}.lmdb: the entry {patch!r} differs in B8A from patches/"


def shard_byte_order(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    store = results / f"encoded/s2/{FIRST}.lmdb"
    put(store, patch, save({k: v.byteswap() for k, v in load(entry(store, patch)).items()}))
    return f"encoded/s2/{FIRST}.lmdb: the entry {patch!r} differs in B01 B02 "


def shard_extra_key(results: Path) -> str:
    put(results / f"encoded/s2/{FIRST}.lmdb", "zebra", b"x")
    return f"encoded/s2/{FIRST}.lmdb: the entry 'zebra' belongs to no patch of the tile"


def lmdb_byte(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    path = results / LMDB / "data.mdb"
    data = bytearray(path.read_bytes())
    data[data.find(bytes(entry(results / LMDB, patch)[-2000:])) + 1999] ^= 1
    path.write_bytes(data)
    return f"{LMDB}: the entry {patch!r} differs in B8A from patches/"


def lmdb_other_key(results: Path) -> str:
    one, other = metadata(results)["patch_id"][:2]
    put(results / LMDB, one, entry(results / LMDB, other))
    return f"{LMDB}: the entry {one!r} differs in B01 "


def lmdb_extra_key(results: Path) -> str:
    put(results / LMDB, "zebra", b"x")
    return f"{LMDB}: the entry 'zebra' belongs to no row of the metadata"


def lmdb_odd_key(results: Path) -> str:
    store = lmdb.open(str(results / LMDB), map_size=1 << 30, lock=False)
    with store as env, env.begin(write=True) as txn:
        txn.put(b"\xff\xfe", b"x")
    return f"{LMDB}: the entry '\\\\xff\\\\xfe' belongs to no row of the metadata"


def lmdb_missing_key(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    put(results / LMDB, patch, None)
    return f"{LMDB}: the entry {patch!r} is missing, which the metadata lists"


def lmdb_shape(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    put(results / LMDB, patch, save({"B01": np.zeros((20, 20), np.uint16)}))
    return f"{LMDB}: the entry {patch!r}: expected {{'B01': ((20, 20), 'uint16')"


def lmdb_sentinel1_everywhere(results: Path) -> str:
    """Shard and LMDB alike; only the folder of Sentinel-1 knows."""
    name = metadata(results)["s1_name"][0]
    value = save({k: v + 1 for k, v in load(entry(results / LMDB, name)).items()})
    for store in (LMDB, f"encoded/s1/{FIRST}.lmdb"):
        put(results / store, name, value)
    folder = f"inputs/BigEarthNet-S1/{name.rsplit('_', 3)[0]}/{name}"
    return f"{folder}: the entry {name!r} differs in VH VV from encoded/s1/"


def lmdb_trailing(results: Path) -> str:
    with (results / LMDB / "data.mdb").open("ab") as file:
        file.write(b"hidden")
    return f"{LMDB}/data.mdb: holds 6 bytes behind its last page"


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
    rewrite(results, "tables/labels.parquet", LABELS, at(patch, "labels", more))
    return f"{CLEAR}: {patch}: labels is {more}, by its reference map it is {labels}"


def order_of_labels(results: Path) -> str:
    patch, labels = metadata(results).filter(pl.col("labels").list.len() > 1).row(0)[:2]
    rewrite(results, CLEAR, METADATA, at(patch, "labels", labels[::-1]))
    return f"{CLEAR}: {patch}: labels is {labels[::-1]}, by its reference map it is {labels}"


def swapped_splits(results: Path) -> str:
    first = metadata(results).unique("split", keep="first", maintain_order=True)
    (one, split), (other, other_split) = first.select("patch_id", "split").rows()[:2]
    for table, schema in ((CLEAR, METADATA), ("tables/split.parquet", SPLIT)):
        rewrite(results, table, schema, at(one, "split", other_split))
        rewrite(results, table, schema, at(other, "split", split))
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
    for table, schema in ((CLEAR, METADATA), (f"tables/sentinel1/{FIRST}.parquet", SENTINEL1)):
        rewrite(results, table, schema, at(one, "s1_name", second))
        rewrite(results, table, schema, at(other, "s1_name", first))
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
    (path,) = (results / "corine").glob(f"{FIRST}-*.parquet")
    table = pq.read_table(path)
    codes = pa.array([211] * len(table), table["code"].type)
    kept = table.set_column(0, "code", codes).replace_schema_metadata(table.schema.metadata)
    pq.write_table(kept, path)
    return f"{path.relative_to(results)}: its content has the digest "


TAMPERINGS: list[Tampering] = [
    geotiff, bands, crs, tie_point, nodata, trailing, added_layer, misplaced, empty_folder,
    whole_patch, reference_map, one_pixel_of_a_map_everywhere, nodata_everywhere,
    shard_byte, shard_byte_order, shard_extra_key,
    lmdb_byte, lmdb_other_key, lmdb_extra_key, lmdb_odd_key, lmdb_missing_key, lmdb_shape,
    lmdb_sentinel1_everywhere, lmdb_trailing,
    dropped_row, dropped_everywhere, doubled_row, order_of_rows, types, added_label,
    order_of_labels, swapped_splits, country, flag, names_of_sentinel1, name_of_v1,
    place, counted_codes, class_counts, funnel, verdict, clip,
]  # fmt: skip
#: Also tried with the audit as it was.
PLAIN: list[Tampering] = [
    geotiff, shard_byte, lmdb_byte, dropped_row, added_label, swapped_splits, lmdb_extra_key,
    reference_map,
]  # fmt: skip


def test_moved_results_are_what_they_claim(results: Path) -> None:
    found, remarks = look(results)
    assert found == []
    (shared,) = remarks
    assert shared.endswith("share ground with a patch of another split in the same season")
    assert findings(results, sample=3) == []


@pytest.mark.parametrize("tamper", PLAIN, ids=lambda tamper: tamper.__name__)
def test_tampering_shows_in_checksums_and_content(results: Path, tamper: Tampering) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    expected = tamper(results)
    found = findings(results)
    for path, data in before.items():
        if path.read_bytes() != data:
            start = f"{path.relative_to(results)}: sha256: expected "
            assert [line for line in found if line.startswith(start)], (path, found)
    assert [line for line in found if line.startswith(expected)], (expected, found)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_forged_audit_does_not_hide_tampering(results: Path, tamper: Tampering) -> None:
    expected = tamper(results)
    forge(results)
    found = findings(results)
    assert [line for line in found if line.startswith(expected)], (expected, found)
    assert not any("sha256" in line for line in found), found


def test_flags_and_names_are_held_against_those_of_v1(
    scene_project: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = scene_project.copy(tmp_path / "project")
    build.snakemake("audit")
    monkeypatch.chdir(build.root)
    results = build.results
    assert findings(results) == []
    row = read_table(results / OBSCURED, METADATA).row(0, named=True)
    patch = row["patch_id"]
    snow, cloud = "contains_seasonal_snow", "contains_cloud_or_shadow"
    for table, schema in ((OBSCURED, METADATA), ("tables/snow_cloud.parquet", SNOW_CLOUD)):
        rewrite(results, table, schema, at(patch, snow, row[cloud]), at(patch, cloud, row[snow]))
    name = row["s2v1_name"].replace("T10", "T11")
    for table, schema in ((OBSCURED, METADATA), ("tables/alignment.parquet", ALIGNMENT)):
        rewrite(results, table, schema, at(patch, "s2v1_name", name))
    found = "\n".join(findings(results))
    for column, value, source in (
        (snow, row[cloud], "patches_with_seasonal_snow.csv.bz2"),
        (cloud, row[snow], "patches_with_cloud_and_shadow.csv.bz2"),
        ("s2v1_name", name, "s1_s2_name_country_season.csv.bz2"),
    ):
        expected = rf"{OBSCURED}: {patch}: {column} is {value}, by \S*/{source} it is {row[column]}"
        assert re.search(expected, found), (expected, found)


def test_a_sample_looks_at_whole_tables_and_few_patches(results: Path) -> None:
    path = tiff(results, metadata(results)["patch_id"][0], "B05")
    flip(path)
    random.seed(2)
    seen = [any(path.name in line for line in findings(results, 3)) for _ in range(4)]
    assert True in seen, "of nine patches, other ones every time"
    assert False in seen
    assert country(results).partition(":")[0] in "".join(findings(results, 1))
    remarks = look(results, 2)[1]
    assert any("only 2 patches of each tile were looked at" in line for line in remarks)


def test_what_later_steps_do_not_need_is_no_finding_but_said(results: Path) -> None:
    for name in ("patches", "reference_maps", "encoded", "tables", "corine", "quality"):
        shutil.rmtree(results / name)
    found, remarks = look(results)
    assert found == []
    for name in ("patches", "encoded/s1", "tables/code_counts", "quality"):
        assert any(line.startswith(f"{name}: not there, not checked: ") for line in remarks)
    rewrite(results, CLEAR, METADATA, pl.lit("test").alias("split"))
    assert any(": split is test, by its place in the tile it is " in f for f in findings(results))


def test_elsewhere_inputs_are_not_at_hand_and_labels_are_checked_all_the_same(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, remarks = look(results)
    assert found == []
    countries = "inputs/countries.gpkg: countries.path is not at hand as it was, the countries"
    assert any(line.startswith(countries) for line in remarks)
    assert any(line.startswith("inputs: not there, entries of Sentinel-1") for line in remarks)
    expected = added_label(results)
    assert any(line.startswith(expected) for line in findings(results))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (CLEAR, b"garbage", "not a readable table"),
        (f"{LMDB}/data.mdb", b"garbage", "cannot be opened as an LMDB"),
        (f"{LMDB}/data.mdb", b"", "cannot be opened as an LMDB"),
        (f"encoded/s2/{FIRST}.lmdb/data.mdb", b"garbage", "cannot be opened as an LMDB"),
        (f"quality/{FIRST}.json", b"{", "expected JSON"),
        (f"audit/tiles/{FIRST}.patches.csv", b"\xff", "expected a table of checksums"),
        (f"audit/tiles/{FIRST}.patches.csv", b"name,sha256\nx\n", "expected lines of name,sha256"),
        ("audit/patch_hashes.csv.sha256", b"0", "is not the SHA-256 of patch_hashes.csv"),
        ("audit/config.json", b"{}", "is not the config in the manifest"),
        ("audit/nomenclature.csv", b"code,class\n", "is not the nomenclature that the manifest"),
        (f"audit/tiles/{FIRST}.json", b"{}", "is not what the manifest says of the tile"),
    ],
)
def test_what_is_broken_is_named_and_breaks_no_other_check(
    results: Path, name: str, content: bytes, expected: str
) -> None:
    (results / name).write_bytes(content)
    (results / "dataset/quality.csv").write_text("also\n")
    found = findings(results)
    file = name.removesuffix("/data.mdb")
    assert [line for line in found if file in line and expected in line], found
    assert any(line.startswith("dataset/quality.csv: sha256") for line in found)


@pytest.mark.parametrize("part", ["tables", "lmdb", "patches"])
def test_a_manifest_is_of_one_opinion_with_itself(results: Path, part: str) -> None:
    path = results / "audit/manifest.json"
    manifest = read_json(path)
    manifest["outputs"]["global"][part] = "0" * 64
    write_json(path, manifest)
    found = findings(results)
    assert any(f"global digest of {part}: expected 0000" in line for line in found)
    assert "audit/manifest.json: its SHA-256 is not the one in ro-crate-metadata.json" in found


def test_another_layout_of_the_same_entries_is_said_to_be_that(results: Path) -> None:
    copy = results / "copy"
    copy.mkdir()
    with lmdb.open(str(results / LMDB), readonly=True, lock=False) as env:
        env.copy(str(copy), compact=True)
    (copy / "data.mdb").replace(results / LMDB / "data.mdb")
    (found,) = findings(results)
    assert found.endswith("but its entries are those of the manifest, laid out in another way")


def test_what_no_audit_covers_is_said(results: Path) -> None:
    shutil.copytree(results / f"patches/{FIRST}", results / "patches/other")
    (results / f"reference_maps/{FIRST}/map.aux.xml").write_text("<x/>")
    shutil.copy(results / "tables/split.parquet", results / "tables/more.parquet")
    found, remarks = look(results)
    assert found == []
    for line in (
        "patches: not covered by the audit: other",
        f"reference_maps/{FIRST}: not covered by the audit: map.aux.xml",
        "tables: not covered by the audit: more.parquet",
    ):
        assert line in remarks


def test_a_build_by_other_code_is_said_to_be_that(results: Path) -> None:
    path = results / "audit/manifest.json"
    manifest = read_json(path)
    manifest["code"]["steps"]["labels"] = "0" * 12
    write_json(path, manifest)
    remarks = look(results)[1]
    assert any(line.startswith("built by other code than this for labels;") for line in remarks)


def test_tars_are_looked_into_and_held_together(results: Path) -> None:
    for stage in ("patches", "reference_maps"):
        for tile in TILES:
            pack(results / stage / tile)
    forge(results)
    assert findings(results) == findings(results, 2) == []
    path = results / f"patches/{FIRST}/patches.tar"
    whole = path.read_bytes()
    name = f"{path.relative_to(results)}"
    for place, expected in (
        (
            whole.find(b"II*\0") + 500,
            f"patches/{FIRST}/{FIRST}_00_00/{FIRST}_00_00_B01.tif: sha256",
        ),
        (0, f"{name}: expected the header of {FIRST}_00_00/{FIRST}_00_00_B01.tif at byte 0"),
        (len(whole) - 1, f"{name}: expected the end of the tar at byte"),
    ):
        flip(path, place)
        found = findings(results)
        assert [line for line in found if line.startswith(expected)], (expected, found)
        path.write_bytes(whole)
    path.with_name("patches.index.parquet").write_bytes(b"garbage")
    assert any("patches.index.parquet: not a readable table" in line for line in findings(results))


def pack(folder: Path) -> None:
    """Keep the GeoTIFFs of a tile in a tar, as the workflow can."""
    rows: dict[int, list[tuple[str, list[tuple[str, list[bytes]]]]]] = {0: [], 1: [], 2: []}
    for patch in sorted(folder.glob("S2*")):
        files = [(f.stem[len(patch.name) + 1 :], [f.read_bytes()]) for f in sorted(patch.iterdir())]
        rows[int(patch.name[-2:])].append((patch.name, files))
        shutil.rmtree(patch)
    with patch_writer(folder, "tar") as writer:
        for row, patches in rows.items():
            writer.add_row(row, patches)


def test_verify_exits_with_1_and_lists_the_culprit(results: Path, audited: Build) -> None:
    command = [sys.executable, "-m", "reben.verify", str(results), "--sample", "4"]
    assert subprocess.run(command, cwd=audited.root, check=True, capture_output=True).stdout
    (results / "dataset/class_counts.csv").write_text("class\n")
    done = subprocess.run(command, cwd=audited.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "dataset/class_counts.csv: sha256: expected" in done.stdout
    (results / "audit/manifest.json").write_text("{}")
    done = subprocess.run(command, cwd=audited.root, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"error: {results}/audit/manifest.json: expected the manifest")
    done = subprocess.run([*command[:-1], "0"], capture_output=True, text=True, check=False)
    assert "--sample: invalid positive value: '0'" in done.stderr
