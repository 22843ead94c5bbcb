"""Longitudes, which meet themselves at 180 degrees.

In: longitudes and polygons in degrees, of tiles and patches that may lie on either side of the
antimeridian or across it. Out: the same beside each other, or as RFC 7946 (sections 3.1.9 and 5.2)
wants them: a polygon that crosses it in two parts, a box with its west beyond its east.
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

_Degrees = NDArray[np.float64]


def beside(longitudes: _Degrees, centre: float) -> _Degrees:
    """The longitudes as numbers within 180 of a centre, past 180 or -180 where need be."""
    apart = np.asarray(longitudes, float) - centre
    turns = np.floor((apart + 180) / 360)
    # Where there is nothing to turn, not a bit changes.
    return np.where(turns == 0, longitudes, longitudes - 360 * turns)


def within_180(longitudes: _Degrees) -> _Degrees:
    """The longitudes as numbers from -180 to 180; both of these stay what they are."""
    longitudes = np.asarray(longitudes, float)
    turns = np.where(np.abs(longitudes) <= 180, 0, np.floor((longitudes + 180) / 360))
    return np.where(turns == 0, longitudes, longitudes - 360 * turns)


def shortest_span(west: _Degrees, east: _Degrees) -> tuple[float, float]:
    """The shortest span of longitudes that holds all of several spans.

    Args:
        west: (n,) where each begins, -180 to 180.
        east: (n,) where it ends; below `west` if it crosses the antimeridian.

    Returns:
        West and east of it, -180 to 180; west is beyond east if it crosses the antimeridian.
    """
    west, east = np.asarray(west, float), np.asarray(east, float)
    order = np.argsort(west)
    west, east = west[order], np.where(east < west, east + 360, east)[order]
    # A span that crosses the antimeridian reaches over the first ones as well.
    reached = np.maximum.accumulate(np.maximum(east, east.max() - 360))
    gaps = np.append(west[1:], west[0] + 360) - reached
    # The span that does not cross, if it is as short as another.
    at = len(gaps) - 1 if gaps[-1] >= gaps.max() else int(np.argmax(gaps))
    begin, end = west[(at + 1) % len(west)], reached[at]
    return float(begin), float(end if end <= 180 else end - 360)


def split_polygon(polygon: shapely.Geometry) -> shapely.Geometry:
    """A polygon with longitudes from -180 to 180, in two parts if it crosses the antimeridian.

    Args:
        polygon: degrees; narrower than 180, with longitudes of any turn.
    """
    longitudes = shapely.get_coordinates(polygon)[:, 0]
    if np.ptp(longitudes) < 180 and np.abs(longitudes).max() <= 180:
        return polygon
    centre = float(longitudes[0])
    unbroken = shapely.transform(polygon, lambda x, y: (beside(x, centre), y), interleaved=False)
    parts = []
    for turn in (-360, 0, 360):
        moved = shapely.transform(unbroken, lambda x, y, t=turn: (x + t, y), interleaved=False)
        part = shapely.intersection(moved, shapely.box(-180, -90, 180, 90))
        parts += [p for p in shapely.get_parts(part) if p.area > 0]
    if len(parts) == 1:
        return shapely.orient_polygons(parts[0])
    return shapely.multipolygons([shapely.orient_polygons(part) for part in parts])


def unwrapped(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape whose parts are no rings round the globe, as those across the antimeridian may be.

    Args:
        shape: degrees. What is in fact wider than half the globe stays as it is.
    """
    parts = shapely.get_parts(shape)
    wide = np.flatnonzero(_widths(parts) > 180)
    if not len(wide):
        return shape
    turned = shapely.transform(parts[wide], lambda x, y: (beside(x, 180), y), interleaved=False)
    better = _widths(turned) < 180
    parts[wide[better]] = turned[better]
    return shapely.union_all(parts) if better.any() else shape


def _widths(shapes: NDArray[Any]) -> _Degrees:
    west, _, east, _ = shapely.bounds(shapes).T
    width: _Degrees = east - west
    return width


def bounds(polygons: NDArray[Any]) -> _Degrees:
    """West, south, east and north of each polygon as RFC 7946 has it, (n, 4).

    Args:
        polygons: of `split_polygon`.
    """
    boxes: _Degrees = shapely.bounds(polygons)
    for i in np.flatnonzero(shapely.get_type_id(polygons) == shapely.GeometryType.MULTIPOLYGON):
        parts = shapely.bounds(shapely.get_parts(polygons[i]))
        boxes[i, 0], boxes[i, 2] = shortest_span(parts[:, 0], parts[:, 2])
    return boxes
