"""Step build_metadata: write the metadata tables of the dataset and its class counts.

In: selection, labels, split and flags of all tiles, optionally countries, alignment and
Sentinel-1 pairs. Out: ``metadata.parquet``, the patches without snow, cloud or shadow;
``metadata_for_patches_with_snow_cloud_or_shadow.parquet``, the others; and
``class_counts.csv``, table I of the BigEarthNet v2 paper: class by split, for the first
table.
"""

import logging
from collections.abc import Sequence

import polars as pl

from reben.domain.split_geometry import SPLITS
from reben.domain.tables import (
    ALIGNMENT,
    COUNTRIES,
    LABELS,
    METADATA,
    SELECTION,
    SENTINEL1,
    SNOW_CLOUD,
    SPLIT,
    read_table,
    read_tables,
    write_table,
)
from reben.land_cover.nomenclature import read_nomenclature
from reben.results.csv_text import to_csv
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.files import write_text

log = logging.getLogger(__name__)


def build_metadata(
    selection: pl.DataFrame,
    labels: pl.DataFrame,
    split: pl.DataFrame,
    flags: pl.DataFrame,
    countries: pl.DataFrame | None = None,
    alignment: pl.DataFrame | None = None,
    sentinel1: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Rows of `tables.METADATA` for the patches that are kept, sorted by patch_id.

    The name of the Sentinel-1 patch comes from the pairs if given, otherwise from the
    alignment. Values that are not given are null.
    """
    empty = read_tables([], ALIGNMENT)
    aligned = empty if alignment is None else alignment
    s1_names = aligned if sentinel1 is None else sentinel1
    places = countries if countries is not None else read_tables([], COUNTRIES)
    frame = selection.filter(pl.col("dropped_for").is_null()).select("patch_id")
    for right in (
        labels.select("patch_id", "labels"),
        split,
        places,
        s1_names.select("patch_id", "s1_name"),
        aligned.select("patch_id", "s2v1_name"),
        flags,
    ):
        frame = frame.join(right, on="patch_id", how="left", validate="1:1")
    return frame.select(METADATA.names).sort("patch_id")


def divide(metadata: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split into patches without and with snow, cloud or shadow; unknown counts as without."""
    obscured = pl.any_horizontal("contains_seasonal_snow", "contains_cloud_or_shadow")
    with_any = metadata.select(o=obscured.fill_null(False))["o"]
    return metadata.filter(~with_any), metadata.filter(with_any)


def count_classes(metadata: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Patches that carry each class, by split.

    Args:
        metadata: rows of `tables.METADATA`.
        classes: the nomenclature's classes, in its order.

    Returns:
        Columns ``class, train, validation, test, total``, one row per class.
    """
    rows = metadata.select("split", pl.col("labels").alias("class")).explode(
        "class", empty_as_null=False
    )
    counted = rows.group_by("class").agg(
        *(pl.col("split").eq(name).sum().alias(name) for name in SPLITS), total=pl.len()
    )
    order = pl.DataFrame({"class": list(dict.fromkeys(classes))}, schema={"class": pl.String})
    return order.join(counted, on="class", how="left", maintain_order="left").fill_null(0)


def main(argv: Sequence[str] | None = None) -> None:
    """Build the metadata tables."""
    parser = cli.parser(__doc__)
    for name in ("selection", "snow-cloud", "nomenclature"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("labels", "split"):
        parser.add_argument(
            f"--{name}", nargs="+", action=TilePaths, required=True, help="tables of all tiles"
        )
    parser.add_argument("--countries")
    parser.add_argument("--alignment")
    parser.add_argument("--sentinel1", nargs="*", action=TilePaths)
    parser.add_argument("--clear", required=True, help="out: patches without snow or cloud")
    parser.add_argument("--obscured", required=True, help="out: patches with snow or cloud")
    parser.add_argument("--class-counts", required=True, help="out: CSV")
    args = parser.parse_args(argv)

    metadata = build_metadata(
        read_table(args.selection, SELECTION),
        read_tables(args.labels, LABELS),
        read_tables(args.split, SPLIT),
        read_table(args.snow_cloud, SNOW_CLOUD),
        read_table(args.countries, COUNTRIES) if args.countries else None,
        read_table(args.alignment, ALIGNMENT) if args.alignment else None,
        read_tables(args.sentinel1, SENTINEL1) if args.sentinel1 else None,
    )
    clear, obscured = divide(metadata)
    write_table(args.clear, clear, METADATA)
    write_table(args.obscured, obscured, METADATA)
    classes = list(read_nomenclature(args.nomenclature).values())
    write_text(args.class_counts, to_csv(count_classes(clear, classes)))
    log.info("%d patches, %d more with snow, cloud or shadow", len(clear), len(obscured))


if __name__ == "__main__":
    cli.run(main)
