"""Show one patch: what is known about it, and a picture.

In: a finished build. Out: a table on the terminal and, with ``--out``, a PNG with the pictures
that the report has of a patch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reben.domain.names import ProductName, is_patch_id, short_place, tile_of
from reben.domain.tables import SENTINEL1, read_table
from reben.pictures.patch_figure import side_by_side
from reben.pictures.patch_images import codes_shown, has_images, read_layer
from reben.pictures.views import patch_views
from reben.results.finished import FinishedBuild, read_build
from reben.results.scene_classification import scene_classification
from reben.runtime import cli
from reben.runtime.errors import RasterError, TableError
from reben.runtime.files import atomic_file


def find_patch(build: FinishedBuild, name: str) -> dict[str, Any]:
    """The row of a patch (`FinishedBuild.patches`).

    Args:
        build: a finished build.
        name: a patch_id, a short name (`short_place`) or the name of its Sentinel-1 patch.

    Raises:
        ProductError: it is none of these.
        TableError: the build has no such patch, or several.
    """
    short = None if is_patch_id(name) else short_place(name)
    if short is None:
        tile = tile_of(name)
        tiles, found = [tile], build.patches.filter(pl.col("patch_id") == name)
    else:
        mgrs, col, row = short
        tiles = [tile for tile in build.tiles if ProductName.parse(tile).mgrs == mgrs]
        found = build.patches.filter(
            pl.col("tile").is_in(tiles), pl.col("col") == col, pl.col("row") == row
        )
    if len(found) > 1:
        raise TableError(
            f"{build.layout.root}: {name} is a patch of {len(found)} tiles; name one of "
            f"{', '.join(found['patch_id'])}"
        )
    if not len(found):
        here = [tile for tile in tiles if tile in build.tiles]
        sizes = [f"tile {t} has {build.patches.filter(pl.col('tile') == t).height}" for t in here]
        known = f"{', '.join(sizes)} patches" if here else f"its tiles are {', '.join(build.tiles)}"
        raise TableError(f"{build.layout.root}: expected a patch {name}, found none; {known}")
    return found.row(0, named=True)


def describe(build: FinishedBuild, row: dict[str, Any]) -> Table:
    """Facts about a patch from the tables and its reference map."""
    table = Table(box=box.SIMPLE_HEAD, title=row["patch_id"], title_justify="left")
    table.add_column("")
    table.add_column("")
    table.add_row("in the dataset", "yes" if row["dropped_for"] is None else row["dropped_for"])
    table.add_row("split", row["split"] or "-")
    table.add_row("labels", escape("\n".join(row["labels"] or ["-"])))
    if row["labelled_fraction"] is not None:
        table.add_row("labelled", f"{row['labelled_fraction']:.1%}")
    for name in ("country", "s1_name", "reason"):
        if row[name]:
            table.add_row(name.replace("_", " "), escape(row[name]))
    x, y = (row["x_min"] + row["x_max"]) // 2, (row["y_min"] + row["y_max"]) // 2
    table.add_row("centre", f"{x} E {y} N, EPSG:{row['epsg']}")
    folder = build.layout.reference_map(row["patch_id"])
    if has_images(folder):
        codes, pixels = np.unique(read_layer(folder, "reference_map"), return_counts=True)
        for at, place in enumerate(np.argsort(-pixels, kind="stable")):
            name = build.legend.name(int(codes[place]))
            share = pixels[place] / pixels.sum()
            table.add_row("" if at else "reference map", f"{share:6.1%}  {codes[place]} {name}")
    return table


def draw(build: FinishedBuild, row: dict[str, Any], sentinel1: Path | None) -> Figure:
    """The pictures of a patch side by side, with the classes of its reference map.

    Raises:
        RasterError: its images are missing.
    """
    patch, paired = row["patch_id"], None
    for folder in (build.layout.patches(row["tile"]), build.layout.reference_maps(row["tile"])):
        if not folder.is_dir():
            raise RasterError(
                f"{folder}: expected the images of the tile, found none. A build deletes them if "
                "`keep` in its config does not name this stage; make them again with `reben build "
                f"CONFIG {folder}`, or read the patch from the LMDB (`reben.dataset`)"
            )
    if sentinel1 is not None:
        pairs = read_table(build.layout.sentinel1(row["tile"]), SENTINEL1)
        folders = pairs.filter(pl.col("patch_id") == patch)["folder"]
        paired = sentinel1 / folders[0] if len(folders) else None
    maps = build.layout.reference_map(patch)
    verdict = next(verdict for verdict in build.verdicts if verdict.tile == row["tile"])
    with scene_classification(build, verdict) as scene:
        classes = scene.of_patch(row["col"], row["row"])
    views = patch_views(build.layout.patch(patch), maps, build.legend, paired, classes)
    fate = row["dropped_for"] or row["split"]
    return side_by_side(
        f"{patch}\n{fate}",
        {view.title: view.picture for view in views},
        codes_shown(maps),
        build.legend,
        [(f"{view.title}: {name}", colour) for view in views for name, colour, _ in view.shares],
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Show a patch."""
    parser = cli.parser(__doc__, example="T33UUP_00_07 --results results --out patch.png")
    parser.add_argument("patch", help="patch_id, or short: T33UUP_00_07")
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    parser.add_argument("--sentinel1", type=Path, help="folder of the Sentinel-1 patches")
    parser.add_argument("--out", help="PNG")
    args = parser.parse_args(argv)

    build = read_build(args.results)
    row = find_patch(build, args.patch)
    Console().print(describe(build, row))
    if args.out:
        with (
            mpl.rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}),
            atomic_file(args.out) as part,
        ):
            draw(build, row, args.sentinel1).savefig(
                part, format="png", metadata={"Software": None}
            )


if __name__ == "__main__":
    cli.run(main)
