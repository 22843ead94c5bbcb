"""Changes to the files of a build, for tests that tamper with one."""

import shutil
from pathlib import Path

import lmdb
import polars as pl
import pyarrow as pa

from reben.domain.names import PatchName, file_stem, tile_of
from reben.domain.tables import (
    METADATA,
    read_table,
    write_table,
)
from reben.results.layout import OBSCURED_TABLE
from reben.storage.patch_container import patch_writer
from tests.workflow.builds import TILES

CLEAR, OBSCURED = "dataset/metadata.parquet", f"dataset/{OBSCURED_TABLE}"
LMDB = "dataset/BigEarthNet.lmdb"
FIRST, SECOND = TILES
KINDS = ("s2", "s1", "reference_maps")


def metadata(results: Path) -> pl.DataFrame:
    """The rows of the first tile in the first table."""
    frame = read_table(results / CLEAR, METADATA)
    return frame.filter(pl.col("patch_id").str.starts_with(FIRST))


def rewrite(results: Path, table: str, schema: pa.Schema, *changes: pl.Expr) -> None:
    """Change columns of a table."""
    frame = read_table(results / table, schema)
    write_table(results / table, frame.with_columns(*changes), schema)


def at(patch: str, column: str, value: object) -> pl.Expr:
    """A column with another value for one patch."""
    new = pl.lit(value, dtype=pl.List(pl.String)) if isinstance(value, list) else pl.lit(value)
    return pl.when(pl.col("patch_id") == patch).then(new).otherwise(column).alias(column)


def tiff(results: Path, patch: str, layer: str) -> Path:
    stage = "reference_maps" if layer == "reference_map" else "patches"
    return results / stage / tile_of(patch) / patch / f"{file_stem(patch, layer)}.tif"


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def exchange(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def put(store: Path, key: str, value: bytes | None) -> None:
    """Write an entry to an LMDB behind the workflow's back, or remove it."""
    with lmdb.open(str(store), map_size=1 << 30, lock=False) as env, env.begin(write=True) as txn:
        txn.delete(key.encode()) if value is None else txn.put(key.encode(), value)


def entry(store: Path, key: str) -> bytes:
    with lmdb.open(str(store), readonly=True, lock=False) as env, env.begin() as txn:
        return bytes(txn.get(key.encode()))


def pack(folder: Path) -> None:
    """Keep the GeoTIFFs of a tile in a tar, as the workflow can."""
    rows: dict[int, list[tuple[str, list[tuple[str, list[bytes]]]]]] = {0: [], 1: [], 2: []}
    for patch in sorted(folder.glob("S2*")):
        files = [
            (f.stem.removeprefix(f"{patch.name}_"), [f.read_bytes()])
            for f in sorted(patch.iterdir())
        ]
        rows[PatchName.parse(patch.name).row].append((patch.name, files))
        shutil.rmtree(patch)
    with patch_writer(folder, "tar") as writer:
        for row, patches in rows.items():
            writer.add_row(row, patches)
