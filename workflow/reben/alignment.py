"""Step align_patches: match patches to the rows of BigEarthNet v1.

In: the patches of all tiles and a table of v1 pairs (columns ``s1_name``, ``s2_name``).
Out: `tables.ALIGNMENT` of the valid patches that have a row there.

A v1 name has neither tile nor padded indices, and its time of day may be a second off or
malformed; the Sentinel-1 name of the same row has tile and indices. Mission, sensing date,
tile, column and row together are the key: with it, all 549,488 published rows match their
own v1 names.
"""

import logging
import os
from collections.abc import Sequence

import polars as pl

from reben.domain.name_columns import parts_of_tile
from reben.domain.tables import ALIGNMENT, PATCHES, read_tables, write_table
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import read_bytes, read_lines

log = logging.getLogger(__name__)

_S1 = r"^S1[A-D]_IW_GRDH_1SDV_\d{8}T\d{6}_(?<mgrs>\d{2}[A-Z]{3})_(?<col>\d{1,2})_(?<row>\d{1,2})$"
#: Not padded: so the names stand in the lists of v1.
_S2 = (
    r"^(?<mission>S2[A-D])_MSIL2A_(?<date>\d{8})T\d{5,6}"
    r"_(?<v1_col>0|[1-9]\d?)_(?<v1_row>0|[1-9]\d?)$"
)
_KEY = ["mission", "date", "mgrs", "col", "row"]


def read_pairs(path: str | os.PathLike[str], rows: int | None = None) -> pl.DataFrame:
    """Read a table of v1 pairs (CSV, compressed or not, or Parquet).

    Args:
        path: the table.
        rows: how many to read and check, from the first on; all if None.

    Returns:
        Columns s1_name, s2v1_name and the key.

    Raises:
        TableError: unreadable, columns missing, no row, a name malformed, two names of a row of
            different places, or a key repeated.
    """
    try:
        columns = ["s1_name", "s2_name"]
        if os.fspath(path).endswith(".parquet"):
            pairs = pl.read_parquet(read_bytes(path), columns=columns, n_rows=rows)
        else:
            text = read_bytes(path) if rows is None else read_lines(path, rows + 1)
            pairs = pl.read_csv(text, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0]
        raise TableError(
            f"{path}: expected a table with the columns s1_name and s2_name: {reason}"
        ) from error
    pairs = pairs.select(
        "s1_name",
        pl.col("s2_name").alias("s2v1_name"),
        pl.col("s1_name").str.extract_groups(_S1).alias("s1"),
        pl.col("s2_name").str.extract_groups(_S2).alias("s2"),
    ).unnest("s1", "s2")
    numbers = ["col", "row", "v1_col", "v1_row"]
    pairs = pairs.with_row_index("number", offset=1).with_columns(pl.col(numbers).cast(pl.Int16))
    right = (pl.col("col") == pl.col("v1_col")) & (pl.col("row") == pl.col("v1_row"))
    right &= pl.all_horizontal(pl.col(_KEY).is_not_null())
    if len(bad := pairs.filter(~right.fill_null(value=False))):
        number, *names = bad.select("number", "s1_name", "s2v1_name").row(0)
        raise TableError(
            f"{path}: {len(bad)} rows are not pairs of BigEarthNet names of one place, e.g. row "
            f"{number}: {names}; expected such as S1A_IW_GRDH_1SDV_20170613T165043_33UUP_7_40 "
            "and S2A_MSIL2A_20170613T101031_7_40"
        )
    if not len(pairs):
        raise TableError(f"{path}: expected pairs of BigEarthNet names, found no row")
    pairs = pairs.select("s1_name", "s2v1_name", *_KEY)
    if len(twice := pairs.filter(pairs.select(_KEY).is_duplicated())):
        raise TableError(
            f"{path}: {len(twice)} rows share mission, date, tile, column and row with another, "
            f"e.g. {twice['s1_name'].to_list()[:2]}; keep one of each"
        )
    return pairs


def align_patches(patches: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Join patches to their v1 rows.

    Args:
        patches: patch_id, tile, col, row (`tables.PATCHES`).
        pairs: as `read_pairs` returns them.

    Returns:
        Rows of `tables.ALIGNMENT` for the patches that have one, sorted.
    """
    return (
        patches.with_columns(key=parts_of_tile())
        .unnest("key")
        .join(pairs, on=_KEY, how="inner")
        .select(ALIGNMENT.names)
        .sort("patch_id")
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Align the patches of all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--patches", nargs="+", action=TilePaths, required=True, help="tables of all tiles"
    )
    parser.add_argument("--pairs", required=True, help="v1 pairs (CSV or Parquet)")
    parser.add_argument("--out", required=True, help="alignment (Parquet)")
    args = parser.parse_args(argv)

    patches = read_tables(args.patches, PATCHES).filter("valid")
    pairs = read_pairs(args.pairs)
    aligned = align_patches(patches, pairs)
    if len(patches) and not len(aligned):
        raise TableError(
            f"{args.pairs}: none of its {len(pairs)} pairs, such as {pairs['s2v1_name'][0]}, is of "
            f"a valid patch of this build, such as {patches['patch_id'][0]}; give the pairs of "
            "these patches, or set alignment.pairs to null"
        )
    write_table(args.out, aligned, ALIGNMENT)
    log.info("%d of %d valid patches aligned", len(aligned), len(patches))


if __name__ == "__main__":
    cli.run(main)
