"""Step draw_overview: draw the dataset in one picture.

In: a finished build. Out: a PNG of every tile with its patches coloured by split, the
dropped ones by reason, and a few patches in true colour next to their reference maps.
"""

import logging
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reben.domain.names import PatchName, ProductName
from reben.domain.reasons import REJECTED_PRODUCT, SNOW_CLOUD_OR_SHADOW, TOO_FEW_LABELLED
from reben.domain.verdict import Verdict
from reben.land_cover.nomenclature import read_nomenclature
from reben.pictures.painting import GAMMA, WHITE, Picture, corine_classes, rgb_of
from reben.pictures.palette import DROPPED_COLOURS, SPLIT_COLOURS, STATE_COLOURS
from reben.pictures.patch_images import choose_patches, codes_shown, reference_map, true_colour
from reben.results.finished import FinishedBuild, read_build
from reben.runtime import cli
from reben.runtime.files import atomic_file

log = logging.getLogger(__name__)

_WIDTH = 13.0
_MARGIN = 0.45
_DPI = 110
_PATCHES = 6
_INK, _FAINT = "#222222", "#6a6a6a"


class Page:
    """A figure laid out from top to bottom, in inches, like a printed page."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")

    def text(self, x: float, y: float, words: str, size: float = 9, **style: Any) -> float:
        """Write `words` with their upper left corner at (x, y); returns their width."""
        style = {"color": _INK, "va": "top", "ha": "left"} | style
        written = self.figure.text(x / _WIDTH, 1 - y / self.height, words, fontsize=size, **style)
        return float(written.get_window_extent().width) / _DPI

    def image(self, x: float, y: float, side: float, picture: Picture) -> Any:
        """Show a picture in a square whose upper left corner is (x, y)."""
        place = (x / _WIDTH, 1 - (y + side) / self.height, side / _WIDTH, side / self.height)
        axes = self.figure.add_axes(place)
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(color="#b0b0b0", linewidth=0.6)
        return axes

    def swatch(self, x: float, y: float, colour: str, side: float = 0.14) -> None:
        """A small filled square, as in a legend."""
        box = Rectangle(
            (x / _WIDTH, 1 - (y + side) / self.height),
            side / _WIDTH,
            side / self.height,
            transform=self.figure.transFigure,
            facecolor=colour,
            edgecolor="#9a9a9a",
            linewidth=0.5,
        )
        self.figure.add_artist(box)


def tile_picture(patches: pl.DataFrame, count: int) -> Picture:
    """A tile with one pixel per patch (count, count, 3), coloured by its fate."""
    picture = np.empty((count, count, 3), np.uint8)
    picture[:] = rgb_of(DROPPED_COLOURS[REJECTED_PRODUCT])
    state = patches.select(pl.coalesce("dropped_for", "split"), "col", "row")
    for name, col, row in state.rows():
        picture[row, col] = rgb_of(STATE_COLOURS[name])
    return picture


def gallery(build: FinishedBuild) -> list[str]:
    """Patches to show: some of the dataset without snow or cloud, and one partly labelled."""
    frame = build.patches
    kept = frame.filter(~pl.col("obscured")).select("patch_id", "tile", "labels")
    partly = (
        frame.filter(pl.col("dropped_for") == TOO_FEW_LABELLED, pl.col("labelled_fraction") > 0)
        .sort("labelled_fraction", "patch_id", descending=[True, False])
        .head(1)
    )
    return [*choose_patches(kept, _PATCHES - len(partly)), *partly["patch_id"]]


def draw_overview(build: FinishedBuild, classes: dict[int, str]) -> Figure:
    """The complete picture.

    Args:
        build: a finished build that still has its patches.
        classes: class by CORINE code; other codes are shown as unlabelled.
    """
    columns = max(4, min(12, int(np.ceil(np.sqrt(1.6 * len(build.tiles))))))
    cell = (_WIDTH - 2 * _MARGIN) / columns
    rows = -(-len(build.tiles) // columns)
    chosen = gallery(build)
    maps = map(build.layout.reference_map, chosen)
    codes = sorted({code for folder in maps for code in codes_shown(folder)})
    tiles_at = 1.25
    legend_at = tiles_at + rows * (cell + 0.32)
    gallery_at = legend_at + 0.9
    side = (_WIDTH - 2 * _MARGIN) / _PATCHES - 0.25
    classes_at = gallery_at + 0.35 + 2 * side + 1.6
    code_columns = 3
    code_rows = -(-len(codes) // code_columns)
    page = Page(classes_at + 0.3 + 0.21 * code_rows + 0.3 if chosen else gallery_at)

    total = build.funnel[-1]
    obscured = total[SNOW_CLOUD_OR_SHADOW]
    accepted = sum(verdict.accepted for verdict in build.verdicts)
    page.text(_MARGIN, 0.3, "The dataset at a glance", 19, weight="bold")
    page.text(
        _MARGIN,
        0.72,
        f"{total['kept']:,} of {total['patches']:,} patches are in the dataset, from {accepted} of "
        f"{len(build.verdicts)} product{'s' if len(build.verdicts) > 1 else ''}"
        + (f"; {obscured:,} of them have {SNOW_CLOUD_OR_SHADOW}" if obscured else ""),
        10.5,
        color=_FAINT,
    )
    for place, (verdict, patches) in enumerate(build.by_tile()):
        row, column = divmod(place, columns)
        x, y = _MARGIN + column * cell, tiles_at + row * (cell + 0.32)
        _draw_tile(page, (x, y, cell), build, verdict, patches)
    _draw_states(page, legend_at, build)
    if not chosen:
        return page.figure
    title = page.text(
        _MARGIN, gallery_at, "Patches in true colour and their reference maps", 12, weight="bold"
    )
    wide = f"each {build.patch_side_m / 1000:g} km wide"
    note = f"{wide}; reflectance 0 to {WHITE / 1e4:g}, gamma {GAMMA:g}"
    page.text(_MARGIN + title + 0.25, gallery_at + 0.04, note, 9.5, color=_FAINT)
    for place, patch in enumerate(chosen):
        x = _MARGIN + place * (side + 0.25 + 0.25 / (_PATCHES - 1))
        _draw_patch(page, (x, gallery_at + 0.35, side), build, patch)
    page.text(_MARGIN, classes_at, "CORINE Land Cover classes shown", 12, weight="bold")
    for place, code in enumerate(codes):
        column, row = divmod(place, code_rows)
        x = _MARGIN + column * (_WIDTH - 2 * _MARGIN) / code_columns
        y = classes_at + 0.3 + 0.21 * row
        name, colour = corine_classes()[code]
        note = "" if code in classes else " (unlabelled)"
        page.swatch(x, y, colour)
        page.text(
            x + 0.22,
            y - 0.005,
            f"{code}  {textwrap.shorten(name, 56, placeholder=' …')}{note}",
            8.5,
        )
    return page.figure


def _draw_tile(
    page: Page,
    place: tuple[float, float, float],
    build: FinishedBuild,
    verdict: Verdict,
    patches: pl.DataFrame,
) -> None:
    x, y, cell = place
    count = build.grid(verdict).count
    side = cell - 0.22
    axes = page.image(x, y, side, tile_picture(patches, count))
    step = max(1, count // 24)
    axes.set_xticks(np.arange(0, count, step) - 0.5, minor=True)
    axes.set_yticks(np.arange(0, count, step) - 0.5, minor=True)
    if count <= 24:
        axes.grid(which="minor", color="white", linewidth=0.7)
    axes.tick_params(which="both", length=0)
    obscured = patches.filter(pl.col("obscured"))
    axes.plot(
        obscured["col"], obscured["row"], ".", color="white", markersize=120 / count * side / 4
    )
    name = ProductName.parse(verdict.tile)
    date = f"{name.sensing[:4]}-{name.sensing[4:6]}-{name.sensing[6:8]}"
    size = 9 if cell > 1.6 else 6.5
    page.text(x, y + side + 0.05, name.mgrs, size, weight="bold")
    kept = patches["dropped_for"].null_count()
    note = f"{kept:,} of {count**2:,}" if len(patches) else "rejected"
    page.text(x + side, y + side + 0.05, f"{date}   {note}", size, color=_FAINT, ha="right")


def _draw_states(page: Page, y: float, build: FinishedBuild) -> None:
    """The legend of splits and reasons, with counts; those that do not occur are left out."""
    total = build.funnel[-1]
    splits = dict(build.metadata["split"].value_counts().rows())
    kept = [(name, colour, splits.get(name, 0)) for name, colour in SPLIT_COLOURS.items()]
    dropped = [(name, colour, total[name]) for name, colour in DROPPED_COLOURS.items()]
    for row, (title, entries) in enumerate((("Kept", kept), ("Dropped", dropped))):
        x, line = _MARGIN + 0.9, y + 0.3 * row
        if any(count for _, _, count in entries):
            page.text(_MARGIN, line - 0.015, title, 10, weight="bold")
        for name, colour, count in entries:
            if count:
                page.swatch(x, line, colour, 0.16)
                x += 0.25 + page.text(x + 0.25, line - 0.005, f"{name}  {count:,}", 9.5) + 0.4
        if not row and total[SNOW_CLOUD_OR_SHADOW]:
            page.swatch(x, line, _FAINT, 0.16)
            page.text(x + 0.08, line + 0.079, "●", 4.5, color="white", ha="center", va="center")
            words = f"of these with {SNOW_CLOUD_OR_SHADOW}  {total[SNOW_CLOUD_OR_SHADOW]:,}"
            page.text(x + 0.25, line - 0.005, words, 9.5)


def _draw_patch(
    page: Page, place: tuple[float, float, float], build: FinishedBuild, patch: str
) -> None:
    x, y, side = place
    page.image(x, y, side, true_colour(build.layout.patch(patch)))
    page.image(x, y + side + 0.08, side, reference_map(build.layout.reference_map(patch)))
    row = build.patches.row(by_predicate=pl.col("patch_id") == patch, named=True)
    name = PatchName.parse(patch)
    mgrs = ProductName.parse(name.tile).mgrs
    fate = row["split"] if row["dropped_for"] is None else "dropped"
    y += 2 * side + 0.16
    page.swatch(x, y + 0.01, STATE_COLOURS[row["dropped_for"] or row["split"]], 0.13)
    head = f"{mgrs}  {name.place}"
    page.text(x + 0.2, y, head, 8.5, weight="bold")
    page.text(x + side, y, fate, 8.5, color=_FAINT, ha="right")
    lines = [textwrap.shorten(label, 34, placeholder=" …") for label in row["labels"]]
    if row["dropped_for"] is not None:
        lines.insert(0, f"only {row['labelled_fraction']:.1%} labelled:")
    if len(lines) > 7:
        lines[6:] = [f"and {len(lines) - 6} more"]
    page.text(x, y + 0.22, "\n".join(lines), 7.5, linespacing=1.35)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the overview of a build."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    parser.add_argument("--nomenclature", required=True, help="CSV: code, class")
    parser.add_argument("--out", required=True, help="PNG")
    args = parser.parse_args(argv)

    build = read_build(args.results)
    with mpl.rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}):
        figure = draw_overview(build, read_nomenclature(args.nomenclature))
        with atomic_file(args.out) as part:
            figure.savefig(part, format="png", metadata={"Software": None})
    log.info("%d tiles drawn", len(build.tiles))


if __name__ == "__main__":
    cli.run(main)
