"""Step label_patches: list the classes present in each reference map.

In: pixel counts per patch and land cover code of a tile, a nomenclature. Out:
`tables.LABELS`. A patch's labels are the classes present in its reference map, sorted by
name; it is kept if enough of its pixels carry a class of the nomenclature
(BigEarthNet v2: at least 75 %).
"""

import logging
from collections.abc import Sequence

import polars as pl

from reben.domain.tables import CODE_COUNTS, LABELS, read_tables, write_table
from reben.land_cover.nomenclature import read_nomenclature
from reben.results.tile_paths import TilePaths
from reben.runtime import cli

log = logging.getLogger(__name__)

#: Whether a patch with exactly the required labelled fraction is kept.
THRESHOLDS = ("inclusive", "exclusive")


def label_patches(
    counts: pl.DataFrame, classes: dict[int, str], min_labelled_fraction: float, threshold: str
) -> pl.DataFrame:
    """Label patches from their pixel counts.

    Args:
        counts: rows of `tables.CODE_COUNTS`.
        classes: class by code; other codes are unlabelled.
        min_labelled_fraction: share of labelled pixels that a patch needs, 0 to 1.
        threshold: ``inclusive`` keeps a patch with exactly that share, ``exclusive`` does not.

    Returns:
        Rows of `tables.LABELS`, one for every patch in `counts`, sorted.
    """
    name = pl.col("code").replace_strict(
        list(classes), list(classes.values()), default=None, return_dtype=pl.String
    )
    fraction = pl.col("labelled_fraction")
    enough = fraction >= min_labelled_fraction
    if threshold == "exclusive":
        enough = fraction > min_labelled_fraction
    return (
        counts.with_columns(name=name)
        .group_by("patch_id")
        .agg(
            labels=pl.col("name").drop_nulls().unique().sort(),
            labelled_fraction=pl.col("pixels").filter(pl.col("name").is_not_null()).sum()
            / pl.col("pixels").sum(),
        )
        .with_columns(kept=enough)
        .sort("patch_id")
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Label the patches of a tile, or of several."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--code-counts", nargs="+", action=TilePaths, required=True, help="table of each tile"
    )
    parser.add_argument("--nomenclature", required=True, help="CSV with code,class")
    parser.add_argument("--min-labelled-fraction", type=cli.share, default=0.75)
    parser.add_argument("--threshold", choices=THRESHOLDS, default="inclusive")
    parser.add_argument("--out", required=True, help="labels (Parquet)")
    args = parser.parse_args(argv)

    labels = label_patches(
        read_tables(args.code_counts, CODE_COUNTS),
        read_nomenclature(args.nomenclature),
        args.min_labelled_fraction,
        args.threshold,
    )
    write_table(args.out, labels, LABELS)
    log.info("%d patches, %d with enough labelled pixels", len(labels), labels["kept"].sum())


if __name__ == "__main__":
    cli.run(main)
