"""The pictures of a patch side by side, with the classes of its reference map."""

from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from reben.land_cover.legend import Legend
from reben.pictures.painting import Picture, paint_backscatter, paint_codes, paint_reflectance

#: Titles of the pictures.
TRUE_COLOUR = "Sentinel-2, true colour"
BACKSCATTER = "Sentinel-1, VV VH VV−VH"  # noqa: RUF001
REFERENCE_MAP = "Reference map"


class PatchFigure(Figure):
    """A figure that notebooks show."""

    def _repr_png_(self) -> bytes:
        png = BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def draw_patch(title: str, layers: Mapping[str, NDArray[Any]], legend: Legend) -> PatchFigure:
    """Draw arrays of a patch.

    Args:
        title: above all pictures.
        layers: those that are known of ``s2``, (red, green, blue) reflectance; ``s1``, (VV, VH)
            in dB; and ``reference_map``, (1, rows, columns) codes.
        legend: of the codes.
    """
    views, codes = {}, []
    if "s2" in layers:
        views[TRUE_COLOUR] = paint_reflectance([*layers["s2"]])
    if "s1" in layers:
        views[BACKSCATTER] = paint_backscatter([*layers["s1"]])
    if "reference_map" in layers:
        views[REFERENCE_MAP] = paint_codes(layers["reference_map"][0], legend)
        codes = np.unique(layers["reference_map"]).tolist()
    return side_by_side(title, views, codes, legend)


def side_by_side(
    title: str,
    views: Mapping[str, Picture],
    codes: Collection[int],
    legend: Legend,
    others: Collection[tuple[str, str]] = (),
) -> PatchFigure:
    """Draw pictures under their titles in rows of four, and the legend of `codes` below.

    Args:
        title: above all pictures.
        views: pictures by title.
        codes: those on the reference map.
        legend: what they mean.
        others: name and colour of what else the legend explains.
    """
    columns = min(len(views), 4)
    rows = -(-len(views) // columns)
    figure = PatchFigure(figsize=(4 * columns, 4.3 * rows + 1.3), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, picture) in zip(grid, views.items(), strict=False):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(name, fontsize=9)
    for axes in grid:
        axes.set_axis_off()
    names = [(f"{code} {legend.name(code)}", legend.colour(code)) for code in codes]
    handles = [
        Patch(facecolor=colour, edgecolor="#999999", linewidth=0.5, label=name)
        for name, colour in [*names, *others]
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=8, frameon=False)
    return figure
