"""The map of all tiles over country outlines, as SVG."""

from collections.abc import Iterable

import numpy as np
import shapely
from markupsafe import Markup
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside, shortest_span, within_180
from reben.report.svg import svg
from reben.results.finished import FinishedBuild

_WIDTH = 1100
#: Minimum ratio of the map's width to its height.
_MAP_RATIO = 1.8


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
