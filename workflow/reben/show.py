"""Show one patch: what is known about it, and a picture.

In: a finished build. Out: a table on the terminal and, with ``--out``, a PNG of the patch
in true colour, its Sentinel-1 patch if it has one, and its reference map.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reben.domain.names import tile_of
from reben.domain.tables import SENTINEL1, read_table
from reben.pictures.patch_images import (
    backscatter,
    codes_shown,
    corine_classes,
    has_images,
    read_layer,
    reference_map,
    true_colour,
)
from reben.results.finished import FinishedBuild, read_build
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import atomic_file


def find_patch(build: FinishedBuild, patch: str) -> dict[str, Any]:
    """The row of a patch (`FinishedBuild.patches`).

    Raises:
        ProductError: `patch` is not a patch name.
        TableError: the build has no such patch.
    """
    tile = tile_of(patch)
    found = build.patches.filter(pl.col("patch_id") == patch)
    if not len(found):
        known = (
            f"its tiles are {', '.join(build.tiles)}"
            if tile not in build.tiles
            else (f"tile {tile} has {build.patches.filter(pl.col('tile') == tile).height} patches")
        )
        raise TableError(f"{build.layout.root}: expected a patch {patch}, found none; {known}")
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
            name = corine_classes().get(int(codes[place]), ("",))[0]
            share = pixels[place] / pixels.sum()
            table.add_row("" if at else "reference map", f"{share:6.1%}  {codes[place]} {name}")
    return table


def draw(build: FinishedBuild, row: dict[str, Any], sentinel1: Path | None) -> Figure:
    """The pictures of a patch side by side, with the classes of its reference map.

    Raises:
        RasterError: its images are missing.
    """
    patch = row["patch_id"]
    folder = build.layout.reference_map(patch)
    views = {"Sentinel-2, true colour": true_colour(build.layout.patch(patch))}
    if sentinel1 is not None:
        pairs = read_table(build.layout.sentinel1(row["tile"]), SENTINEL1)
        for name in pairs.filter(pl.col("patch_id") == patch)["folder"]:
            views["Sentinel-1, VV VH VV−VH"] = backscatter(sentinel1 / name)  # noqa: RUF001
    views["Reference map"] = reference_map(folder)
    figure = Figure(figsize=(4 * len(views), 5.6), dpi=110, layout="constrained")
    fate = row["dropped_for"] or row["split"]
    figure.suptitle(f"{patch}\n{fate}", fontsize=10)
    for axes, (title, picture) in zip(
        np.atleast_1d(figure.subplots(1, len(views))), views.items(), strict=True
    ):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    known = {code: corine_classes()[code] for code in codes_shown(folder)}
    handles = [
        Patch(facecolor=colour, edgecolor="#999999", linewidth=0.5, label=f"{code} {name}")
        for code, (name, colour) in known.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=8, frameon=False)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Show a patch."""
    parser = cli.parser(
        __doc__,
        example="S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_00_07 --results results/mine "
        "--out patch.png",
    )
    parser.add_argument("patch", help="patch_id")
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
