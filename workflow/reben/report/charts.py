"""Charts as SVG, drawn with the page's own colours so that they follow light, dark and print.

Every chart has a title for screen readers and a tooltip on every mark. Lengths are in
pixels of the view box; the page scales the chart.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from markupsafe import Markup, escape
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside, shortest_span, within_180
from reben.report.counts import CoOccurrence
from reben.report.distances import SplitDistances
from reben.report.svg import svg, text
from reben.results.finished import FinishedBuild

_WIDTH = 1100
#: Minimum ratio of the map's width to its height.
_MAP_RATIO = 1.8


def heatmap(pairs: CoOccurrence) -> Markup:
    """Shares of `pairs`: one square per pair, darker if more frequent."""
    cell, left, top = 26, 222, 168
    size = cell * len(pairs.classes)
    marks = []
    shares = pairs.shares
    for row, name in enumerate(pairs.classes):
        y = top + row * cell
        marks.append(text(left - 8, y + cell / 2 + 4, _short(name), anchor="end"))
        turned = f"rotate(-45 {left + row * cell + cell / 2 + 4} {top - 8})"
        x = left + row * cell + cell / 2 + 4
        marks.append(text(x, top - 8, _short(name, 26), transform=turned))
        for column, other in enumerate(pairs.classes):
            share, count = shares[row, column], pairs.together[row, column]
            words = (
                f"{name}: {count:,} patches"
                if row == column
                else f"{share:.0%} of patches with {name} also have {other} ({count:,})"
            )
            css_class = "self" if row == column else "heat"
            opacity = "" if row == column else f' fill-opacity="{share:.3f}"'
            marks.append(
                f'<rect class="{css_class}" x="{left + column * cell}" y="{y}" width="{cell - 1}"'
                f' height="{cell - 1}"{opacity}><title>{escape(words)}</title></rect>'
            )
            if count and row != column:
                percent = f"{100 * share:.0f}" if share >= 0.005 else "<1"
                # On nearly full squares, text in the page's colour; in dark mode a little earlier.
                on = " on" if share > 0.8 else " half" if share > 0.6 else ""
                x, y_text = left + (column + 0.5) * cell - 0.5, y + cell / 2 + 3
                marks.append(text(x, y_text, percent, "middle", css_class=f"share{on}"))
    width = left + size + 110
    return svg("Classes that occur together", width, top + size + 4, marks, least=0.9 * width)


def histogram(
    ways: Sequence[SplitDistances], way: SplitDistances, patch_side_m: int, bins: int = 30
) -> Markup:
    """Distances of one way to split, on axes shared by all ways."""
    width, height, left, bottom = 360, 170, 8, 30
    every = np.concatenate([d for w in ways for d in w.to_train.values()])
    reach = max(float(every.max(initial=0)), 3.0 * patch_side_m)
    edges = np.linspace(0, reach, bins + 1)
    step = (width - 2 * left) / bins
    highest = max(_highest(w, edges) for w in ways)
    marks = [f'<line class="axis" x1="{left}" x2="{width - left}" y1="{height}" y2="{height}"/>']
    # Side by side, as shares of the split: validation and test differ in size.
    for place, (name, distances) in enumerate(way.to_train.items()):
        counts, _ = np.histogram(distances, edges)
        shares = counts / max(1, counts.sum())
        for i in np.flatnonzero(counts):
            tall = max(1.0, shares[i] / highest * (height - 14))
            words = f"{name}: {shares[i]:.1%} between {edges[i] / 1000:.1f} and "
            words += f"{edges[i + 1] / 1000:.1f} km"
            marks.append(
                f'<rect class="{name}" x="{left + i * step + place * step / 2:.1f}"'
                f' y="{height - tall:.1f}" width="{step / 2 - 0.5:.1f}" height="{tall:.1f}">'
                f"<title>{escape(words)}</title></rect>"
            )
    for tick in np.linspace(0, reach, 5):
        x = left + (width - 2 * left) * tick / reach
        anchor = "start" if tick == 0 else "end" if tick == reach else "middle"
        label = f"{tick / 1000:.3g} km" if tick == reach else f"{tick / 1000:.3g}"
        marks.append(text(x, height + 16, label, anchor=anchor))
    return svg(
        f"{way.title}: distance to the nearest training patch", width, height + bottom, marks
    )


def _square(square: TileSquare) -> NDArray[np.float64]:
    """The corners of a tile in degrees, (5, 2)."""
    to_degrees = Transformer.from_crs(square.crs, "EPSG:4326", always_xy=True)
    corners = shapely.get_coordinates(shapely.box(*square.bounds))
    return np.column_stack(to_degrees.transform(corners[:, 0], corners[:, 1]))


def _beside_each_other(rings: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Rings in degrees, past 180 where the shortest map of them crosses the antimeridian."""
    longitudes = [beside(ring[:, 0], ring[0, 0]) for ring in rings]
    ends = within_180(np.array([[x.min(), x.max()] for x in longitudes]))
    west, east = shortest_span(ends[:, 0], ends[:, 1])
    centre = (west + (east if east >= west else east + 360)) / 2
    return [
        np.column_stack([beside(x, beside(x[:1], centre)[0]), ring[:, 1]])
        for x, ring in zip(longitudes, rings, strict=True)
    ]


def _highest(way: SplitDistances, edges: NDArray[np.float64]) -> float:
    """The highest bar of a way to split, as a share of the split."""
    counts = [np.histogram(distances, edges)[0] for distances in way.to_train.values()]
    return max([c.max() / c.sum() for c in counts if c.sum()], default=1.0)


def tile_map(build: FinishedBuild, outlines: Iterable[shapely.Geometry]) -> Markup:
    """All tiles over country outlines; each links to the page of the tile."""
    # By its grid, like the patches; the footprint of a product covers only the sensed part.
    rings = _beside_each_other([_square(verdict.square) for verdict in build.verdicts])
    points = np.concatenate(rings)
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    margin = max(0.12 * max(east - west, north - south), 0.6)
    west, east, south, north = west - margin, east + margin, south - margin, north + margin
    shrink = np.cos(np.radians((south + north) / 2))
    # Land up to the edges of a wide frame, even around a single tile.
    if (lack := _MAP_RATIO * (north - south) / shrink - (east - west)) > 0:
        west, east = west - lack / 2, east + lack / 2
    scale = min(_WIDTH / ((east - west) * shrink), 620 / (north - south))
    width, height = (east - west) * shrink * scale, (north - south) * scale

    def path(ring: NDArray[np.float64]) -> str:
        x = (ring[:, 0] - west) * shrink * scale
        y = (north - ring[:, 1]) * scale
        return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)) + "Z"

    frame = shapely.box(west, south, east, north)
    shapes = shapely.make_valid(np.array(list(outlines), object))
    turns = [-360, 0, 360] if west < -180 or east > 180 else [0]
    turned = [shapely.transform(shapes, lambda xy, t=t: xy + (t, 0)) for t in turns]
    land = shapely.intersection(np.concatenate(turned), frame)
    parts = shapely.get_parts(shapely.simplify(land, (east - west) / 1500))
    polygons = [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    marks = [
        f'<path class="land" d="{path(np.asarray(polygon.exterior.coords))}"/>'
        for polygon in polygons
    ]
    kept = {row["tile"]: row["kept"] for row in build.funnel}
    for verdict, ring in zip(build.verdicts, rings, strict=True):
        tile = verdict.tile
        words = f"{tile}: {kept[tile]:,} patches"
        css_class = "tile" if verdict.accepted else "tile rejected"
        if not verdict.accepted:
            words = f"{tile}: rejected"
        marks.append(
            f'<a href="{tile}.html"><path class="{css_class}" d="{path(ring)}">'
            f"<title>{words}</title></path></a>"
        )
    # Its tiles are links, so for screen readers it is not a single image.
    return svg("Tiles on the map", width, height, marks, role="group")


def _short(name: str, length: int = 32) -> str:
    return name if len(name) <= length else f"{name[: length - 1].rstrip(' ,')}…"
