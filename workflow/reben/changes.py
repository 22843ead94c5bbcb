"""Show what an update changes, before or after building.

In: two results folders; or a results folder and a release of its land cover, which is CORINE or,
with ``--legend``, a raster map; or, with ``--results``, two releases for a build. Out: which tiles
and patches change, which labels appear and vanish by class, and which patches enter or leave the
dataset; as a table of patches (CSV) and a short summary. It helps to decide whether to rebuild.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from reben.config.user_file import HOME
from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.name_columns import tile_of_patch
from reben.domain.patch_arrays import blocks, grid_of
from reben.domain.reasons import TOO_FEW_LABELLED
from reben.domain.tables import CODE_COUNTS, LABELS, PATCHES, SELECTION, read_table, read_tables
from reben.labels import THRESHOLDS, label_patches
from reben.land_cover.corine_polygons import PolygonLayer
from reben.land_cover.known_maps import is_raster
from reben.land_cover.legend import read_legend
from reben.land_cover.nomenclature import read_nomenclature
from reben.land_cover.raster_mosaic import RasterMosaic
from reben.land_cover.rasterise import count_codes
from reben.land_cover.tile_codes import tile_codes
from reben.land_cover_map import nodata
from reben.results.change_summary import summary
from reben.results.csv_text import to_csv
from reben.results.labelling import label_nomenclature, label_settings, map_legend
from reben.results.layout import Layout
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import write_text
from reben.runtime.progress import progress
from reben.storage.file_patterns import matching
from reben.storage.vector_archive import unpacked

#: Of a build without records.
_NOMENCLATURE = HOME / "resources" / "nomenclature" / "bigearthnet_19.csv"


@dataclass(frozen=True)
class LabelRules:
    """How the build labels its patches; see `reben.labels`."""

    nomenclature: Path
    min_labelled_fraction: float
    threshold: str

    @classmethod
    def of_build(
        cls,
        results: Path,
        nomenclature: Path | None = None,
        min_labelled_fraction: float | None = None,
        threshold: str | None = None,
    ) -> "LabelRules":
        """Those of a build, but for what is given.

        Raises:
            TableError: there is no build, or its nomenclature is not there any more.
        """
        tile = next(iter(tiles_of(read_selection(results))), "")
        made = label_settings(results, tile)
        return cls(
            nomenclature or label_nomenclature(results, tile) or _NOMENCLATURE,
            made.get("min_labelled_fraction", 0.75)
            if min_labelled_fraction is None
            else min_labelled_fraction,
            threshold or made.get("threshold", "inclusive"),
        )

    def label(self, counts: pl.DataFrame) -> pl.DataFrame:
        """Rows of `tables.LABELS`."""
        classes = read_nomenclature(self.nomenclature)
        return label_patches(counts, classes, self.min_labelled_fraction, self.threshold)

    def check(self, results: Path) -> None:
        """Check that a build has labels of this kind.

        Raises:
            TableError: it was labelled differently.
        """
        build = State.of_build(results)
        if not self.label(build.counts).equals(build.labels):
            raise TableError(
                f"{results}: its labels are not those of {self.nomenclature} with a labelled "
                f"fraction of {self.min_labelled_fraction:g} ({self.threshold}); pass "
                "--nomenclature, --min-labelled-fraction and --threshold as in its config"
            )


@dataclass(frozen=True)
class State:
    """Land cover of the patches of a build, actual or hypothetical.

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
        selection = read_selection(results)
        layout, tiles = Layout(results), tiles_of(selection)
        return cls(
            read_tables(map(layout.code_counts, tiles), CODE_COUNTS),
            read_tables(map(layout.labels, tiles), LABELS),
            selection.filter(pl.col("dropped_for").is_null())["patch_id"],
        )

    @classmethod
    def of_release(
        cls, land_cover: PolygonLayer | RasterMosaic, results: Path, rules: LabelRules
    ) -> "State":
        """The state that a release of land cover would give the patches of a build."""
        selection = read_selection(results)
        counts = [read_tables([], CODE_COUNTS)]
        for tile in progress(tiles_of(selection), f"labelling by {land_cover.name}"):
            patches = read_table(Layout(results).patch_table(tile), PATCHES)
            counts.append(count_tile(patches, land_cover))
        labels = rules.label(pl.concat(counts))
        # A patch dropped for another reason stays dropped, whatever its labels.
        eligible = selection.filter(
            pl.col("dropped_for").is_null() | (pl.col("dropped_for") == TOO_FEW_LABELLED)
        )
        kept = labels.filter("kept").join(eligible, on="patch_id", how="semi")["patch_id"]
        return cls(pl.concat(counts), labels, kept)


def is_release(path: Path) -> bool:
    """Whether a path, or pattern, names land cover and not the results of a build."""
    return not path.is_dir() or path.suffix.lower() == ".gdb"


def read_selection(results: Path) -> pl.DataFrame:
    """The table of all patches of a build.

    Raises:
        TableError: there is no build.
    """
    path = Layout(results).selection
    if not path.is_file():
        raise TableError(
            f"{results}: expected the results of a finished build, found no {path.name} in its "
            "tables; pass the folder that `results` names in its config"
        )
    return read_table(path, SELECTION)


def tiles_of(selection: pl.DataFrame) -> list[str]:
    """The tiles that have patches, sorted."""
    return selection["tile"].unique().sort().to_list()


def count_tile(patches: pl.DataFrame, land_cover: PolygonLayer | RasterMosaic) -> pl.DataFrame:
    """Rows of `tables.CODE_COUNTS` for the valid patches of one tile, without writing maps."""
    grid = grid_of(patches)
    raster = tile_codes(land_cover.clip(grid), grid)
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
        Columns patch_id, tile, pixels (lower bound on reference map pixels that differ),
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
            tile=tile_of_patch(),
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


def write_changes(path: Path, patches: pl.DataFrame) -> None:
    """Write what `patch_changes` found as CSV, lists of classes as one text."""
    flat = patches.with_columns(pl.col("appear", "vanish").list.join("; "))
    write_text(path, to_csv(flat))


def main(argv: Sequence[str] | None = None) -> None:
    """Report what changes."""
    parser = cli.parser(__doc__, example="results U2018_CLC2018_V2020_20u2.gpkg")
    parser.add_argument("old", type=Path, help="results folder or release of land cover")
    parser.add_argument("new", type=Path, help="results folder or release of land cover")
    parser.add_argument(
        "--results", type=Path, help="build that the releases are for, if OLD is not a build"
    )
    parser.add_argument(
        "--nomenclature",
        type=Path,
        help="instead of that of the build, which the next two options say too",
    )
    parser.add_argument("--min-labelled-fraction", type=cli.share)
    parser.add_argument("--threshold", choices=THRESHOLDS)
    parser.add_argument(
        "--layer", action="append", help="layer of the CORINE file; twice if OLD and NEW differ"
    )
    parser.add_argument(
        "--code-column", action="append", help="column of its codes; twice if OLD and NEW differ"
    )
    parser.add_argument(
        "--legend", help="CSV: the releases are raster files with this legend, not the build's"
    )
    parser.add_argument("--nodata", type=nodata, help="their value of no data, or none")
    parser.add_argument("--out", type=Path, help="table of the patches that change (CSV)")
    args = parser.parse_args(argv)

    for path in (args.old, args.new):
        if not path.exists() and not matching(str(path)):
            raise TableError(
                f"{path}: expected a results folder or a release of land cover, found none"
            )
    if is_release(args.old) and not is_release(args.new):
        parser.error("the new state is a build and the old one a release; swap them")
    layers, columns = args.layer or [None], args.code_column or [None]
    if max(len(layers), len(columns)) > 2:
        parser.error("--layer and --code-column are given at most twice, for OLD and NEW")
    results = args.results or args.old
    if is_release(args.new):
        if is_release(results):
            parser.error("two releases need --results, the build whose patches they label")
        rules = LabelRules.of_build(
            results, args.nomenclature, args.min_labelled_fraction, args.threshold
        )
        rules.check(results)

    def state(path: Path, which: int) -> State:
        if not is_release(path):
            return State.of_build(path)
        if args.legend or is_raster(str(path)):
            legend, value = (args.legend, args.nodata) if args.legend else map_legend(results)
            if legend is None:
                parser.error(
                    f"{path} is a raster map, and the build is not from one: pass --legend"
                )
            value = value if args.nodata is None else args.nodata
            mosaic = RasterMosaic.open(matching(str(path)), read_legend(legend), value)
            return State.of_release(mosaic, results, rules)
        with TemporaryDirectory() as folder, unpacked(path, Path(folder)) as file:
            layer = PolygonLayer.open(file, layers[which], columns[which])
            return State.of_release(layer, results, rules)

    old, new = state(args.old, 0), state(args.new, -1)
    patches = patch_changes(old, new)
    if args.out:
        write_changes(args.out, patches)
    print(summary(patches, pl.concat([old.counts["patch_id"], new.counts["patch_id"]])))


if __name__ == "__main__":
    cli.run(main)
