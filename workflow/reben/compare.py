"""Compare two builds, or a build with published tables.

In: two folders, results of a build or a folder with ``metadata.parquet`` and, if there is
one, ``metadata_for_patches_with_snow_cloud_or_shadow.parquet``. Out: equal, or which rows,
columns and arrays differ and by how much, for people and as JSON. Arrays are compared
if both have an LMDB. Exits with 1 if anything differs.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load

from reben.domain.tables import METADATA, PATCHES, SELECTION, read_table, read_tables
from reben.results.layout import CLEAR_TABLE, LMDB, OBSCURED_TABLE, Layout
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import write_json
from reben.storage.lmdb_store import read_lmdb

#: Length at which a list is cut off in the text output; the JSON has all of it.
_SHOWN = 20


def dataset_folder(root: Path) -> Path:
    """The folder of the tables: below the results of a build, or the folder itself.

    Raises:
        TableError: there are no tables.
    """
    for folder in (Layout(root).dataset, root):
        if (folder / CLEAR_TABLE).is_file():
            return folder
    raise TableError(
        f"{root}: expected results of a build or a folder with {CLEAR_TABLE}, found neither"
    )


def read_metadata(folder: Path) -> pl.DataFrame:
    """Both metadata tables as one, with the name of each row's table."""
    paths = [folder / name for name in (CLEAR_TABLE, OBSCURED_TABLE) if (folder / name).is_file()]
    frames = [read_tables([path], METADATA).with_columns(table=pl.lit(path.name)) for path in paths]
    return pl.concat(frames).sort("patch_id")


def cut_patches(root: Path, metadata: pl.DataFrame) -> pl.DataFrame:
    """The patches that a build cut, kept or not; those of its metadata without its tables."""
    layout = Layout(root)
    paths = sorted(layout.tile_tables("patches").glob("*.parquet"))
    if layout.selection.is_file():  # tables of products that were taken out may be left over
        tiles = set(read_table(layout.selection, SELECTION)["tile"])
        paths = [path for path in paths if path.stem in tiles]
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
        b: folder of another LMDB.
        restrict: leave out keys that only `b` has.
    """
    differ: dict[str, Any] = {}
    with read_lmdb(a) as one, read_lmdb(b) as other:
        keys_a = {bytes(key) for key in one.cursor().iternext(values=False)}
        keys_b = {bytes(key) for key in other.cursor().iternext(values=False)}
        for key in sorted(keys_a & keys_b):
            x, y = bytes(one.get(key) or b""), bytes(other.get(key) or b"")
            if x != y:
                differ[_text(key)] = tensor_differences(x, y)
    return {
        "compared": len(keys_a & keys_b),
        "only_a": sorted(map(_text, keys_a - keys_b)),
        "only_b": [] if restrict else sorted(map(_text, keys_b - keys_a)),
        "differ": differ,
    }


def _text(key: bytes) -> str:
    return key.decode(errors="backslashreplace")


def tensor_differences(x: bytes, y: bytes) -> dict[str, Any]:
    """How two values differ, by tensor."""
    found: dict[str, Any] = {}
    try:
        a, b = load(x), load(y)
    except SafetensorError as error:
        return {"value": {"unreadable": str(error)}}
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b:
            found[name] = {"only": "a" if name in a else "b"}
        elif (a[name].shape, a[name].dtype) != (b[name].shape, b[name].dtype):
            shapes = [[*array.shape, array.dtype.name] for array in (a[name], b[name])]
            found[name] = {"shapes": shapes}
        elif a[name].tobytes() != b[name].tobytes():
            apart = np.abs(a[name].astype(np.float64) - b[name].astype(np.float64))
            unequal = (a[name] != b[name]) & ~(np.isnan(a[name]) & np.isnan(b[name]))
            # Where one value is NaN, the difference is NaN too.
            largest = float(apart[np.isfinite(apart)].max(initial=0))
            pixels = int(np.count_nonzero(unequal))
            found[name] = {"pixels": pixels, "of": int(apart.size), "max": largest}
    return found or {"value": {"bytes": [len(x), len(y)]}}


def compare(a: Path, b: Path, restrict: bool = False) -> dict[str, Any]:
    """Compare two datasets.

    Args:
        a: results or folder of tables.
        b: results or folder of tables.
        restrict: compare only the patches of `a`, including those that it cut and dropped.

    Returns:
        ``a`` and ``b`` (folders), ``equal``, ``tables`` (`compare_tables`) and ``arrays``
        (`compare_arrays`; None where one has no LMDB).
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
    names = {"a": str(a), "b": str(b)}
    return names | {"equal": not any(unequal), "tables": tables, "arrays": arrays}


def show(result: dict[str, Any]) -> list[str]:
    """A comparison as text: all counts, and the first differences."""
    tables, arrays = result["tables"], result["arrays"]
    rows = dict(zip("ab", tables["rows"], strict=True))
    lines = [f"{side.upper()}: {result[side]}, {rows[side]} patches" for side in "ab"]
    counts = {f"patches only in {side.upper()}": len(tables[f"only_{side}"]) for side in "ab"}
    counts |= {name: len(found) for name, found in tables["columns"].items()}
    if arrays:
        counts |= {f"entries only in {s.upper()}": len(arrays[f"only_{s}"]) for s in "ab"}
        counts[f"entries, of {arrays['compared']} in both"] = len(arrays["differ"])
    lines += ["", f"{'':<26}{'differ':>8}"]
    lines += [f"{name:<26}{count:>8}" for name, count in counts.items()]
    if not arrays:
        lines.append("entries: not compared; one has no LMDB, or both are the same")
    details = [f"{row}: only in {side.upper()}" for side in "ab" for row in tables[f"only_{side}"]]
    for name, found in tables["columns"].items():
        details += [f"{row['patch_id']}: {name}: {_contrast(row['a'], row['b'])}" for row in found]
    for key, tensors in (arrays or {"differ": {}})["differ"].items():
        details += [f"{key}: {name}: {_how(what)}" for name, what in tensors.items()]
    if details:
        lines += ["", *details[:_SHOWN]]
    if len(details) > _SHOWN:
        lines.append(f"... and {len(details) - _SHOWN} more; --json has all")
    return [*lines, "", "equal" if result["equal"] else "different"]


def _contrast(a: Any, b: Any) -> str:
    """Two values; for two lists of labels, those that only one has."""
    if isinstance(a, list) and isinstance(b, list) and set(a) != set(b):
        only = {"A": sorted(set(a) - set(b)), "B": sorted(set(b) - set(a))}
        return "; ".join(f"only {side} {', '.join(names)}" for side, names in only.items() if names)
    return f"A {a}, B {b}"


def _how(what: dict[str, Any]) -> str:
    if "pixels" in what:
        return f"{what['pixels']} of {what['of']} pixels, by up to {what['max']:g}"
    return ", ".join(f"{key} {value}" for key, value in what.items())


def main(argv: Sequence[str] | None = None) -> None:
    """Compare two datasets."""
    parser = cli.parser(
        __doc__,
        example="results published --restrict",
        failure="an error or a difference",
    )
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--restrict", action="store_true", help="compare only the patches of A")
    parser.add_argument("--json", type=Path, help="write all differences to this file")
    args = parser.parse_args(argv)

    result = compare(args.a, args.b, args.restrict)
    print("\n".join(show(result)))
    if args.json:
        write_json(args.json, result)
    if not result["equal"]:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
