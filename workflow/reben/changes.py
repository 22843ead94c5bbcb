"""What an update changes, before or after building: ``python -m reben.changes OLD NEW``.

In: two results folders, or two CORINE releases and, with ``--results``, the build that
they are for. Out: which tiles and patches change, which labels appear and vanish by
class, and which patches enter or leave the dataset; as a table of patches (CSV) and a
short text. By it one decides whether to rebuild.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import shapely

from reben import cli
from reben.bands import REFERENCE_MAP_M
from reben.corine_polygons import Layer
from reben.errors import TableError
from reben.files import write_text
from reben.labels import THRESHOLDS, label_patches
from reben.names import PLACE_IN_TILE
from reben.nomenclature import read_nomenclature
from reben.patches import blocks
from reben.reference_maps import count_codes, grid_of, rasterise
from reben.selection import TOO_FEW_LABELLED
from reben.tables import CODE_COUNTS, LABELS, PATCHES, SELECTION, read_table, read_tables

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """Land cover of the patches of a build, or as it would be.

    Attributes:
        counts: rows of `tables.CODE_COUNTS`.
        labels: rows of `tables.LABELS`.
        kept: patch_id of the patches in the dataset.
    """

    counts: pl.DataFrame
    labels: pl.DataFrame
    kept: pl.Series

    @classmethod
    def of_build(cls, results: Path) -> "State":
        """Read a build."""
        tables = results / "tables"
        selection = read_table(tables / "selection.parquet", SELECTION)
        return cls(
            read_tables(sorted((tables / "code_counts").glob("*.parquet")), CODE_COUNTS),
            read_table(tables / "labels.parquet", LABELS),
            selection.filter(pl.col("dropped_for").is_null())["patch_id"],
        )

    @classmethod
    def of_corine(
        cls, corine: Path, results: Path, nomenclature: Path, fraction: float, threshold: str
    ) -> "State":
        """What a CORINE release would make of the patches of a build."""
        layer = Layer.open(corine)
        counts = []
        for path in sorted((results / "tables/patches").glob("*.parquet")):
            patches = read_table(path, PATCHES)
            if len(patches):
                counts.append(count_tile(patches, layer))
        if not counts:
            raise TableError(
                f"{results}/tables/patches: expected the patches of a build, found none"
            )
        labels = label_patches(
            pl.concat(counts), read_nomenclature(nomenclature), fraction, threshold
        )
        selection = read_table(results / "tables/selection.parquet", SELECTION)
        # A patch that fell out for another reason stays out, whatever its labels.
        eligible = selection.filter(
            pl.col("dropped_for").is_null() | (pl.col("dropped_for") == TOO_FEW_LABELLED)
        )
        kept = labels.filter("kept").join(eligible, on="patch_id", how="semi")["patch_id"]
        return cls(pl.concat(counts), labels, kept)


def count_tile(patches: pl.DataFrame, layer: Layer) -> pl.DataFrame:
    """Rows of `tables.CODE_COUNTS` for the valid patches of one tile, without writing maps."""
    grid = grid_of(patches)
    clip = layer.clip(grid)
    raster = rasterise(grid, clip.codes, shapely.from_wkb(clip.wkb))
    px = grid.patch_px(REFERENCE_MAP_M)
    codes = np.unique(raster)
    maps = blocks(raster[: grid.count * px], px, grid.count)
    valid = patches.filter("valid")
    pixels = maps[valid["row"].to_numpy(), valid["col"].to_numpy()]
    counts = count_codes(pixels, codes)
    patch, code = np.nonzero(counts)
    return pl.DataFrame(
        {
            "patch_id": valid["patch_id"].gather(patch),
            "code": codes[code].astype(np.int16),
            "pixels": counts[patch, code].astype(np.int32),
        }
    )


def patch_changes(old: State, new: State) -> pl.DataFrame:
    """The patches that change.

    Returns:
        Columns patch_id, tile, pixels (of the reference map, at least so many differ),
        appear, vanish (labels), dataset (``enters``, ``leaves`` or null), sorted.
    """
    counted = old.counts.join(
        new.counts, on=["patch_id", "code"], how="full", coalesce=True, suffix="_new"
    ).with_columns(pl.col("pixels", "pixels_new").fill_null(0))
    moved = counted.group_by("patch_id").agg(
        pixels=(pl.col("pixels_new") - pl.col("pixels")).clip(0).sum(),
        lost=(pl.col("pixels") - pl.col("pixels_new")).clip(0).sum(),
    )
    moved = moved.select("patch_id", pixels=pl.max_horizontal("pixels", "lost"))
    labels = old.labels.select("patch_id", "labels").join(
        new.labels.select("patch_id", after="labels"), on="patch_id", how="full", coalesce=True
    )
    empty = pl.lit([], dtype=pl.List(pl.String))
    labels = labels.with_columns(pl.col("labels", "after").fill_null(empty)).select(
        "patch_id",
        appear=pl.col("after").list.set_difference("labels").list.sort(),
        vanish=pl.col("labels").list.set_difference("after").list.sort(),
    )
    was = pl.col("patch_id").is_in(old.kept.implode())
    is_now = pl.col("patch_id").is_in(new.kept.implode())
    return (
        moved.join(labels, on="patch_id", how="full", coalesce=True)
        .with_columns(
            tile=pl.col("patch_id").str.replace(PLACE_IN_TILE, ""),
            dataset=pl.when(is_now & ~was)
            .then(pl.lit("enters"))
            .when(was & ~is_now)
            .then(pl.lit("leaves")),
        )
        .filter(
            (pl.col("pixels") > 0)
            | (pl.col("appear").list.len() + pl.col("vanish").list.len() > 0)
            | pl.col("dataset").is_not_null()
        )
        .select("patch_id", "tile", "pixels", "appear", "vanish", "dataset")
        .sort("patch_id")
    )


def class_changes(patches: pl.DataFrame) -> pl.DataFrame:
    """How many patches gain and lose each class: columns class, appear, vanish."""

    def count(column: str) -> pl.DataFrame:
        return (
            patches.select(**{"class": pl.col(column).explode()})
            .drop_nulls()
            .group_by("class")
            .agg(pl.len().alias(column))
        )

    return (
        count("appear")
        .join(count("vanish"), on="class", how="full", coalesce=True)
        .fill_null(0)
        .sort("class")
    )


def summary(patches: pl.DataFrame) -> str:
    """The changes in a few lines."""
    relabelled = patches.filter(pl.col("appear").list.len() + pl.col("vanish").list.len() > 0)
    enters = (patches["dataset"] == "enters").sum()
    leaves = (patches["dataset"] == "leaves").sum()
    lines = [
        f"{patches['tile'].n_unique()} tiles and {len(patches)} patches change; {len(relabelled)} "
        f"patches have other labels, {enters} enter the dataset, {leaves} leave it."
    ]
    for tile, count in patches.group_by("tile").len().sort("tile").rows():
        lines.append(f"  {tile}: {count} patches")
    for name, appear, vanish in class_changes(patches).rows():
        lines.append(f"  {name}: appears in {appear}, vanishes from {vanish}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Say what changes."""
    parser = cli.parser(__doc__)
    parser.add_argument("old", type=Path, help="results folder or CORINE file")
    parser.add_argument("new", type=Path, help="likewise")
    parser.add_argument("--results", type=Path, help="build that the CORINE files are for")
    parser.add_argument(
        "--nomenclature", type=Path, default=Path("resources/nomenclature/bigearthnet_19.csv")
    )
    parser.add_argument("--min-labelled-fraction", type=cli.share, default=0.75)
    parser.add_argument("--threshold", choices=THRESHOLDS, default="inclusive")
    parser.add_argument("--out", type=Path, help="table of the patches that change (CSV)")
    args = parser.parse_args(argv)

    if args.old.is_dir() != args.new.is_dir() or (args.old.is_file() and not args.results):
        parser.error("give two results folders, or two CORINE files and --results")
    if args.old.is_dir():
        old, new = State.of_build(args.old), State.of_build(args.new)
    else:
        options = (args.results, args.nomenclature, args.min_labelled_fraction, args.threshold)
        old, new = State.of_corine(args.old, *options), State.of_corine(args.new, *options)
    patches = patch_changes(old, new)
    if args.out:
        flat = patches.with_columns(pl.col("appear", "vanish").list.join("; "))
        write_text(args.out, flat.write_csv())
    print(summary(patches))


if __name__ == "__main__":
    cli.run(main)
