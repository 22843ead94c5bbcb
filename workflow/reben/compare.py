"""Compare two builds, or a build with published tables: ``python -m reben.compare A B``.

In: two folders, results of a build or a folder with ``metadata.parquet`` and, if there is
one, ``metadata_for_patches_with_snow_cloud_or_shadow.parquet``. Out: equal, or which rows,
columns and arrays differ and by how much, for people and as JSON. Arrays are compared
where both have an LMDB. Exits with 1 where anything differs.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load

from reben import cli
from reben.errors import TableError
from reben.files import write_json
from reben.lmdb_store import read_lmdb
from reben.tables import METADATA, PATCHES, read_tables

log = logging.getLogger(__name__)

CLEAR = "metadata.parquet"
OBSCURED = "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
LMDB = "BigEarthNet.lmdb"
#: Of a long list, so many are shown to people; the JSON has all.
_SHOWN = 20


def dataset_folder(root: Path) -> Path:
    """The folder of the tables: below the results of a build, or the folder itself.

    Raises:
        TableError: there are no tables.
    """
    for folder in (root / "dataset", root):
        if (folder / CLEAR).is_file():
            return folder
    raise TableError(f"{root}: expected results of a build or a folder with {CLEAR}, found neither")


def read_metadata(folder: Path) -> pl.DataFrame:
    """Both metadata tables as one, with the name of the table that a row stands in."""
    paths = [folder / name for name in (CLEAR, OBSCURED) if (folder / name).is_file()]
    frames = [read_tables([path], METADATA).with_columns(table=pl.lit(path.name)) for path in paths]
    return pl.concat(frames).sort("patch_id")


def cut_patches(root: Path, metadata: pl.DataFrame) -> pl.DataFrame:
    """The patches that a build cut, kept or not; those of its metadata without its tables."""
    paths = sorted((root / "tables/patches").glob("*.parquet"))
    return read_tables(paths, PATCHES).filter("valid") if paths else metadata


def compare_tables(a: pl.DataFrame, b: pl.DataFrame) -> dict[str, Any]:
    """What differs between two tables of metadata.

    Returns:
        ``rows`` of each, ``only_a`` and ``only_b`` (patches), and by column the patches
        whose values differ, with both values.
    """
    both = a.join(b, on="patch_id", suffix="_b")
    columns = {}
    for name in a.columns[1:]:
        unequal = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_b")))
        columns[name] = [
            {"patch_id": patch, "a": one, "b": other}
            for patch, one, other in unequal.select("patch_id", name, f"{name}_b").rows()
        ]
    return {
        "rows": [len(a), len(b)],
        "only_a": a.join(b, on="patch_id", how="anti")["patch_id"].to_list(),
        "only_b": b.join(a, on="patch_id", how="anti")["patch_id"].to_list(),
        "columns": columns,
    }


def compare_arrays(a: Path, b: Path, restrict: bool) -> dict[str, Any]:
    """What differs between two LMDBs: keys, and by entry and tensor how much.

    Args:
        a: folder of an LMDB.
        b: folder of another.
        restrict: leave out keys that only `b` has.
    """
    differ: dict[str, Any] = {}
    with read_lmdb(a) as one, read_lmdb(b) as other:
        keys_a = {bytes(key) for key in one.cursor().iternext(values=False)}
        keys_b = {bytes(key) for key in other.cursor().iternext(values=False)}
        for key in sorted(keys_a & keys_b):
            x, y = bytes(one.get(key) or b""), bytes(other.get(key) or b"")
            if x != y:
                differ[key.decode()] = _differences(load(x), load(y))
    return {
        "compared": len(keys_a & keys_b),
        "only_a": sorted(key.decode() for key in keys_a - keys_b),
        "only_b": [] if restrict else sorted(key.decode() for key in keys_b - keys_a),
        "differ": differ,
    }


def _differences(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b:
            found[name] = {"only": "a" if name in a else "b"}
        elif (a[name].shape, a[name].dtype) != (b[name].shape, b[name].dtype):
            found[name] = {"shapes": [list(a[name].shape), list(b[name].shape)]}
        elif a[name].tobytes() != b[name].tobytes():
            apart = np.abs(a[name].astype(np.float64) - b[name].astype(np.float64))
            found[name] = {
                "pixels": int(np.count_nonzero(apart)),
                "of": int(apart.size),
                "max": float(np.nanmax(apart)),
            }
    return found


def compare(a: Path, b: Path, restrict: bool = False) -> dict[str, Any]:
    """Compare two datasets.

    Args:
        a: results or folder of tables.
        b: another.
        restrict: compare only the patches of `a`, those that it cut and dropped included.

    Returns:
        ``equal``, ``tables`` (`compare_tables`) and ``arrays`` (`compare_arrays`; None where
        one has no LMDB).
    """
    folder_a, folder_b = dataset_folder(a), dataset_folder(b)
    one, other = read_metadata(folder_a), read_metadata(folder_b)
    if restrict:
        other = other.join(cut_patches(a, one), on="patch_id", how="semi")
    tables = compare_tables(one, other)
    arrays = None
    have_lmdb = (folder_a / LMDB).is_dir() and (folder_b / LMDB).is_dir()
    if have_lmdb and not folder_a.samefile(folder_b):
        arrays = compare_arrays(folder_a / LMDB, folder_b / LMDB, restrict)
    unequal = [tables["only_a"], tables["only_b"], *tables["columns"].values()]
    if arrays:
        unequal += [arrays["only_a"], arrays["only_b"], arrays["differ"]]
    return {"equal": not any(unequal), "tables": tables, "arrays": arrays}


def show(result: dict[str, Any], console: Console) -> None:
    """Print a comparison for people."""
    tables, arrays = result["tables"], result["arrays"]
    summary = Table("what", "differ")
    summary.add_row("rows only in A", str(len(tables["only_a"])))
    summary.add_row("rows only in B", str(len(tables["only_b"])))
    for name, rows in tables["columns"].items():
        summary.add_row(name, str(len(rows)))
    if arrays:
        summary.add_row("entries only in A", str(len(arrays["only_a"])))
        summary.add_row("entries only in B", str(len(arrays["only_b"])))
        summary.add_row("entries", f"{len(arrays['differ'])} of {arrays['compared']}")
    console.print(summary)
    details = [f"{row}: only in {side}" for side in "ab" for row in tables[f"only_{side}"]]
    for name, rows in tables["columns"].items():
        details += [f"{row['patch_id']}: {name}: {row['a']} | {row['b']}" for row in rows]
    for key, tensors in (arrays or {"differ": {}})["differ"].items():
        details += [f"{key}: {name}: {what}" for name, what in tensors.items()]
    for line in details[:_SHOWN]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if len(details) > _SHOWN:
        console.print(f"... and {len(details) - _SHOWN} more; --json has all")
    console.print("equal" if result["equal"] else "different")


def main(argv: Sequence[str] | None = None) -> None:
    """Compare two datasets."""
    parser = cli.parser(__doc__)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--restrict", action="store_true", help="compare only the patches of A")
    parser.add_argument("--json", type=Path, help="write all differences to this file")
    args = parser.parse_args(argv)

    result = compare(args.a, args.b, args.restrict)
    show(result, Console())
    if args.json:
        write_json(args.json, result)
    if not result["equal"]:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
