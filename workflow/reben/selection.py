"""Step select_patches: decide which patches are in the dataset, and why the others are not.

In: the patches and labels of all tiles, optionally the alignment with v1 and the
Sentinel-1 pairs. Out: `tables.SELECTION`, every patch with the first reason to drop it, in
the order of `reasons.DROP_REASONS`; null if it is kept.
"""

import logging
from collections.abc import Sequence

import polars as pl

from reben.domain.reasons import HAS_NODATA, NO_SENTINEL1, NOT_ALIGNED, TOO_FEW_LABELLED
from reben.domain.tables import (
    ALIGNMENT,
    LABELS,
    PATCHES,
    SELECTION,
    SENTINEL1,
    read_table,
    read_tables,
    write_table,
)
from reben.results.tile_paths import TilePaths
from reben.runtime import cli

log = logging.getLogger(__name__)


def select_patches(
    patches: pl.DataFrame,
    labels: pl.DataFrame,
    alignment: pl.DataFrame | None = None,
    sentinel1: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Rows of `tables.SELECTION`.

    Args:
        patches: `tables.PATCHES`.
        labels: `tables.LABELS`.
        alignment: `tables.ALIGNMENT`; None drops no patch for lack of a v1 row.
        sentinel1: `tables.SENTINEL1`; None drops no patch for lack of a pair.
    """

    def listed(frame: pl.DataFrame | None) -> pl.Expr:
        return (
            pl.lit(True) if frame is None else pl.col("patch_id").is_in(frame["patch_id"].implode())
        )

    reason = (
        pl.when(~pl.col("valid"))
        .then(pl.lit(HAS_NODATA))
        .when(~listed(alignment))
        .then(pl.lit(NOT_ALIGNED))
        .when(~listed(sentinel1))
        .then(pl.lit(NO_SENTINEL1))
        .when(~listed(labels.filter("kept")))
        .then(pl.lit(TOO_FEW_LABELLED))
    )
    return patches.select("patch_id", "tile", dropped_for=reason)


def main(argv: Sequence[str] | None = None) -> None:
    """Select among the patches of all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--patches", nargs="+", action=TilePaths, required=True, help="tables of all tiles"
    )
    parser.add_argument(
        "--labels", nargs="+", action=TilePaths, required=True, help="labels of all tiles"
    )
    parser.add_argument("--alignment", help="keep only patches that are in it (Parquet)")
    parser.add_argument(
        "--sentinel1", nargs="*", action=TilePaths, help="keep only patches with a pair (Parquet)"
    )
    parser.add_argument("--out", required=True, help="selection (Parquet)")
    args = parser.parse_args(argv)

    selection = select_patches(
        read_tables(args.patches, PATCHES),
        read_tables(args.labels, LABELS),
        read_table(args.alignment, ALIGNMENT) if args.alignment else None,
        read_tables(args.sentinel1, SENTINEL1) if args.sentinel1 else None,
    )
    write_table(args.out, selection, SELECTION)
    log.info("%d patches, %d kept", len(selection), selection["dropped_for"].null_count())


if __name__ == "__main__":
    cli.run(main)
