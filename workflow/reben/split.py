"""Step assign_split: assign train, validation and test by the place of a patch in its tile.

In: the patches of a tile. Out: `tables.SPLIT` of the valid ones. The outer frame of a
tile is for training, the inner frame for validation, the inner square for testing, so
that test patches keep their distance from training patches, in overlapping tiles too.
"""

import logging
from collections.abc import Sequence
from fractions import Fraction

import polars as pl

from reben.domain.shares import exact, widest_side
from reben.domain.split_geometry import SPLITS, frame_widths
from reben.domain.tables import PATCHES, SPLIT, read_tables, write_table
from reben.results.tile_paths import TilePaths
from reben.runtime import cli

log = logging.getLogger(__name__)


def assign_split(patches: pl.DataFrame, p: float, q: float) -> pl.DataFrame:
    """Assign each patch by the distance of its centre from the nearest edge of its tile.

    A centre on the border of two parts belongs to the inner one.

    Args:
        patches: rows with the place of the patch and of its tile (`tables.PATCHES`).
        p: area share of the inner square (test).
        q: area share of the inner frame (validation).

    Returns:
        Rows of `tables.SPLIT` in the same order.

    Raises:
        ConfigError: see `frame_widths`.
    """
    frame_widths(p, q)
    # In whole metres: the side of the square around the tile's centre that the patch's centre is
    # on the edge of, and the widest sides of the squares that the shares give.
    x = (pl.col("x_min") + pl.col("x_max") - 2 * pl.col("tile_x_min") - pl.col("tile_side_m")).abs()
    y = (2 * pl.col("tile_y_max") - pl.col("y_min") - pl.col("y_max") - pl.col("tile_side_m")).abs()
    sides = patches["tile_side_m"].unique().to_list()

    def widest(share: Fraction) -> pl.Expr:
        inner = [widest_side(share, side) for side in sides]
        return pl.col("tile_side_m").replace_strict(sides, inner, return_dtype=pl.Int64)

    side = pl.max_horizontal(x, y).cast(pl.Int64)
    return patches.select(
        "patch_id",
        split=pl.when(side > widest(exact(p) + exact(q)))
        .then(pl.lit("train"))
        .when(side > widest(exact(p)))
        .then(pl.lit("validation"))
        .otherwise(pl.lit("test")),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Split the patches of a tile, or of several."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--patches", nargs="+", action=TilePaths, required=True, help="table of each tile"
    )
    parser.add_argument("--p", type=float, default=0.25, help="area share of test")
    parser.add_argument("--q", type=float, default=0.25, help="area share of validation")
    parser.add_argument("--out", required=True, help="split (Parquet)")
    args = parser.parse_args(argv)

    patches = read_tables(args.patches, PATCHES).filter("valid")
    split = assign_split(patches, args.p, args.q)
    write_table(args.out, split, SPLIT)
    counts = dict(split["split"].value_counts().iter_rows())
    log.info(", ".join(f"{counts.get(name, 0)} {name}" for name in SPLITS))


if __name__ == "__main__":
    cli.run(main)
