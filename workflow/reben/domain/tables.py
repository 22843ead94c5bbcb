"""The tables that steps exchange: their columns, reading and writing.

All are Parquet, sorted by patch_id, compressed with zstd; the same rows give the same
bytes. The types of `METADATA` are those of the published BigEarthNet v2 tables.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from reben.runtime.errors import TableError
from reben.runtime.files import atomic_file

_STRING = pa.large_string()

#: One row for every patch of a tile; see `reben.patches`.
PATCHES = pa.schema(
    {
        "patch_id": _STRING,
        "tile": _STRING,
        "col": pa.int16(),
        "row": pa.int16(),
        "epsg": pa.int32(),
        "x_min": pa.int32(),
        "y_min": pa.int32(),
        "x_max": pa.int32(),
        "y_max": pa.int32(),
        "tile_x_min": pa.int32(),
        "tile_y_max": pa.int32(),
        "tile_side_m": pa.int32(),
        "valid": pa.bool_(),
        "reason": _STRING,
        "snow_fraction": pa.float64(),
        "cloud_fraction": pa.float64(),
        "shadow_fraction": pa.float64(),
    }
)
#: Pixels of each land cover code (999: none) in each patch; see `reben.reference_maps`.
CODE_COUNTS = pa.schema({"patch_id": _STRING, "code": pa.int16(), "pixels": pa.int32()})
#: Labels by a nomenclature, and whether enough of the patch is labelled; see `reben.labels`.
LABELS = pa.schema(
    {
        "patch_id": _STRING,
        "labels": pa.list_(pa.string()),
        "labelled_fraction": pa.float64(),
        "kept": pa.bool_(),
    }
)
#: train, validation or test; see `reben.split`.
SPLIT = pa.schema({"patch_id": _STRING, "split": _STRING})
#: Nearest country; see `reben.countries`.
COUNTRIES = pa.schema({"patch_id": _STRING, "country": _STRING})
#: The row of BigEarthNet v1 that a patch is aligned with; see `reben.alignment`.
ALIGNMENT = pa.schema({"patch_id": _STRING, "s1_name": _STRING, "s2v1_name": _STRING})
#: Checked Sentinel-1 patches, with their folder below the root.
SENTINEL1 = pa.schema({"patch_id": _STRING, "s1_name": _STRING, "folder": _STRING})
#: The same of patches that were cut from scenes, with hours between the sensors, pass and orbit.
SENTINEL1_SCENES = pa.schema(
    [
        *SENTINEL1,
        ("s1_gap_h", pa.float64()),
        ("s1_pass", _STRING),
        ("s1_relative_orbit", pa.int16()),
    ]
)
#: All Sentinel-1 patches below the root, by name.
SENTINEL1_INDEX = pa.schema(
    {
        "s1_name": _STRING,
        "folder": _STRING,
        "mgrs": _STRING,
        "col": pa.int16(),
        "row": pa.int16(),
        "sensing": pa.timestamp("us", "UTC"),
    }
)
#: Every patch, with the reason why it is dropped or null; see `reben.selection`.
SELECTION = pa.schema({"patch_id": _STRING, "tile": _STRING, "dropped_for": _STRING})
#: Seasonal snow, and cloud or shadow; see `reben.snow_cloud`.
SNOW_CLOUD = pa.schema(
    {
        "patch_id": _STRING,
        "contains_seasonal_snow": pa.bool_(),
        "contains_cloud_or_shadow": pa.bool_(),
    }
)
#: The published tables; see `reben.metadata`.
METADATA = pa.schema(
    {
        "patch_id": _STRING,
        "labels": pa.list_(pa.string()),
        "split": _STRING,
        "country": _STRING,
        "s1_name": _STRING,
        "s2v1_name": _STRING,
        "contains_seasonal_snow": pa.bool_(),
        "contains_cloud_or_shadow": pa.bool_(),
    }
)

AnyPath = str | os.PathLike[str]
#: Most rows of a table, and so many more for each byte of its file: a few bytes can state any
#: number of rows that are all the same.
_MAX_ROWS, _MAX_RATIO = 1_000_000, 20


def write_table(path: AnyPath, frame: pl.DataFrame, schema: pa.Schema) -> None:
    """Write the columns of `schema`, in its order and types.

    Raises:
        TableError: a column is missing or does not fit its type.
    """
    try:
        table = frame.select(schema.names).to_arrow().cast(schema)
    except (pl.exceptions.PolarsError, pa.ArrowInvalid) as error:
        raise TableError(f"{path}: the rows do not fit {schema.names}: {error}") from error
    with atomic_file(path) as part:
        pq.write_table(table, part, compression="zstd", compression_level=9)


def read_table(path: AnyPath, schema: pa.Schema) -> pl.DataFrame:
    """Read a table that another step wrote.

    Raises:
        TableError: it is missing, unreadable, or its columns are not those of `schema`.
    """
    with _opened(path, schema) as file:
        found = file.schema_arrow.names
        # Whoever reads pairs need not know where they come from.
        if schema is SENTINEL1 and found == SENTINEL1_SCENES.names:
            found = schema.names
        if found != schema.names:
            raise TableError(
                f"{path}: expected the columns {schema.names}, found {found}; {_advice(schema)}"
            )
        return _checked(file.read(columns=schema.names), schema)


def read_known_columns(path: AnyPath, schema: pa.Schema, needed: Collection[str]) -> pl.DataFrame:
    """Read a table that anyone wrote: columns in any order, further ones are left out.

    Args:
        path: Parquet.
        schema: columns of the result; those that the table lacks are null.
        needed: columns that it must have.

    Raises:
        TableError: it is missing, unreadable, or lacks a column.
    """
    with _opened(path, schema) as file:
        found = file.schema_arrow.names
        if not set(needed) <= set(found):
            raise TableError(
                f"{path}: expected the columns {', '.join(needed)}, and if known "
                f"{', '.join(n for n in schema.names if n not in needed)}; found {found}; "
                f"{_advice(schema)}"
            )
        table = file.read(columns=[name for name in schema.names if name in found])
        for field in schema:
            if field.name not in found:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        return _checked(table.select(schema.names), schema)


@contextmanager
def _opened(path: AnyPath, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    """An open Parquet file, if its number of rows is possible; errors become a `TableError`."""
    try:
        with pq.ParquetFile(path) as file:
            rows, limit = file.metadata.num_rows, _MAX_ROWS + _MAX_RATIO * Path(path).stat().st_size
            if rows > limit:
                raise TableError(
                    f"{path}: expected at most {limit} rows, found {rows} rows; {_advice(schema)}"
                )
            yield file
    except FileNotFoundError as error:
        raise TableError(
            f"{path}: expected a table with the columns {schema.names}, found no file"
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        # Damaged pages are an OSError, damaged names of columns a ValueError.
        raise TableError(f"{path}: not a readable table ({error}); {_advice(schema)}") from error


def _checked(table: pa.Table, schema: pa.Schema) -> pl.DataFrame:
    table = table.cast(schema)
    table.validate(full=True)  # damaged texts and lists kill the process further on
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - narrows the type
    return frame


def _advice(schema: pa.Schema) -> str:
    if schema is METADATA:  # also a selection of the user's own, which nothing makes again
        return "write or copy it again"
    return "remove the file, so that the workflow makes it again"


def read_tables(paths: Iterable[AnyPath], schema: pa.Schema, *, sort: bool = True) -> pl.DataFrame:
    """Read the tables of several tiles as one, sorted by patch_id unless told otherwise."""
    frames = [read_table(path, schema) for path in paths]
    if not frames:
        return pl.DataFrame(pl.from_arrow(schema.empty_table()))
    frame = pl.concat(frames)
    return frame.sort("patch_id", maintain_order=True) if sort else frame
