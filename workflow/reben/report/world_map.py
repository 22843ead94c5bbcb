"""The map of all tiles over country outlines, as SVG; ``map.js`` zooms and moves it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from markupsafe import Markup, escape
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside, shortest_span, within_180
from reben.domain.names import ProductName
from reben.report.svg import svg, text
from reben.results.finished import FinishedBuild

#: Outlines where the build has none of its own: Natural Earth 1:110m, public domain.
OUTLINES = Path(__file__).parents[3] / "resources" / "outlines" / "natural_earth_110m.geojson"

_WIDTH = 1100
#: Minimum ratio of the map's width to its height.
_MAP_RATIO = 1.8
#: Degrees around the tiles, and more where that shows no land, as around small islands.
_MARGINS = (0.6, 1.5, 3.0, 6.0, 12.0)
#: Details finer than this share of the width are left out; one can zoom in.
_DETAIL = 1 / 5000

Ring = NDArray[np.float64]


def default_outlines() -> dict[str, shapely.Geometry]:
    """The countries of the world by name, degrees."""
    features = json.loads(OUTLINES.read_text("utf-8"))["features"]
    shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    return {f["properties"]["name"]: shape for f, shape in zip(features, shapes, strict=True)}


@dataclass(frozen=True)
class _Frame:
    """The part of the world on the map: degrees at its edges, and pixels for each."""

    west: float
    north: float
    east: float
    south: float
    per_lon: float
    per_lat: float

    @classmethod
    def around(cls, rings: list[Ring], least: float) -> "_Frame":
        points = np.concatenate(rings)
        (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
        margin = max(0.12 * max(east - west, north - south), least)
        west, east, south, north = west - margin, east + margin, south - margin, north + margin
        shrink = np.cos(np.radians((south + north) / 2))
        # Land up to the edges of a wide frame, even around a single tile.
        if (lack := _MAP_RATIO * (north - south) / shrink - (east - west)) > 0:
            west, east = west - lack / 2, east + lack / 2
        scale = float(min(_WIDTH / ((east - west) * shrink), 620 / (north - south)))
        return cls(west, north, east, south, scale * float(shrink), scale)

    @property
    def size(self) -> tuple[float, float]:
        return (self.east - self.west) * self.per_lon, (self.north - self.south) * self.per_lat

    @property
    def turns(self) -> list[int]:
        """What to add to longitudes from -180 to 180 that lie on it."""
        return [-360, 0, 360] if self.west < -180 or self.east > 180 else [0]

    def shows(self, shapes: Iterable[shapely.Geometry]) -> bool:
        """Whether any of the shapes, in degrees, lies on it."""
        boxes = [
            shapely.box(self.west - turn, self.south, self.east - turn, self.north)
            for turn in self.turns
        ]
        return any(shapely.intersects(boxes, shape).any() for shape in shapes)

    def pixels(self, degrees: Ring) -> Ring:
        origin = np.array([self.west, self.north])
        pixels: Ring = (degrees - origin) * np.array([self.per_lon, -self.per_lat])
        return pixels

    def path(self, ring: Ring) -> str:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.pixels(ring)) + "Z"


def tile_map(build: FinishedBuild, outlines: Mapping[str, shapely.Geometry]) -> Markup:
    """All tiles over country outlines; each links to the page of the tile.

    Args:
        build: a finished build.
        outlines: countries by name, degrees; may be empty.
    """
    # By its grid, like the patches; the footprint of a product covers only the sensed part.
    rings = _beside_each_other([_square(verdict.square) for verdict in build.verdicts])
    frames = [_Frame.around(rings, margin) for margin in _MARGINS]
    sound = [shapely.make_valid(shape) for shape in outlines.values()]
    frame = next((frame for frame in frames if frame.shows(sound)), frames[0])
    lands, names = _countries(frame, outlines)
    marks = [*lands, '<g class="graticule"></g>']
    kept = {row["tile"]: row["kept"] for row in build.funnel}
    for verdict, ring in zip(build.verdicts, rings, strict=True):
        tile = verdict.tile
        words = f"{tile}: {f'{kept[tile]:,} patches' if verdict.accepted else 'rejected'}"
        css_class = "tile" if verdict.accepted else "tile rejected"
        corners = frame.pixels(ring)
        # From the unit square of the picture of its patches to its place on the map.
        right, down, origin = _sides(corners)
        matrix = " ".join(f"{value:.4g}" for value in (*right, *down)) + " "
        matrix += " ".join(f"{value:.2f}" for value in origin)
        marks.append(
            f'<a href="{tile}.html" data-tile="{tile}"><image width="1" height="1"'
            f' preserveAspectRatio="none" transform="matrix({matrix})"/>'
            f'<path class="{css_class}" d="{frame.path(ring)}"><title>{words}</title></path></a>'
        )
        x, y = corners[:4].mean(axis=0)
        marks.append(text(x, y, ProductName.parse(tile).mgrs, "middle", css_class="mgrs"))
    marks += names
    # Its tiles are links, so for screen readers it is not a single image.
    drawn = svg("Tiles on the map", *frame.size, marks, role="group")
    place = f'data-west="{frame.west:.6f}" data-north="{frame.north:.6f}"'
    place += f' data-lon="{frame.per_lon:.6f}" data-lat="{frame.per_lat:.6f}"'
    # Numbers alone.
    return Markup(str(drawn).replace("<svg ", f"<svg {place} ", 1))  # noqa: S704


def _countries(
    frame: _Frame, outlines: Mapping[str, shapely.Geometry]
) -> tuple[list[str], list[str]]:
    """Land, and the names of the countries where most of their land on the map is."""
    box = shapely.box(frame.west, frame.south, frame.east, frame.north)
    lands, names = [], []
    for name, shape in outlines.items():
        sound = shapely.make_valid(shape)
        turned = [shapely.transform(sound, lambda xy, t=t: xy + (t, 0)) for t in frame.turns]
        land = shapely.simplify(
            shapely.intersection(turned, box), (frame.east - frame.west) * _DETAIL
        )
        parts = [p for p in shapely.get_parts(land) if p.geom_type == "Polygon" and not p.is_empty]
        for part in parts:
            ring = np.asarray(part.exterior.coords)
            lands.append(f'<path class="land" d="{frame.path(ring)}"/>')
        if parts:
            largest = max(parts, key=lambda part: float(part.area))
            west, _, east, _ = largest.bounds
            (x, y), *_ = frame.pixels(shapely.get_coordinates(shapely.point_on_surface(largest)))
            wide = (east - west) * frame.per_lon
            names.append(
                f'<text class="country" x="{x:.1f}" y="{y:.1f}" text-anchor="middle"'
                f' data-width="{wide:.1f}">{escape(name)}</text>'
            )
    return lands, names


def _sides(corners: Ring) -> tuple[Ring, Ring, Ring]:
    """The upper and left side of a tile as vectors, and its upper left corner; pixels."""
    # As `shapely.box` has them: lower right, upper right, upper left, lower left.
    lower_right, upper_right, upper_left, lower_left = corners[:4]
    right = (upper_right - upper_left + lower_right - lower_left) / 2
    down = (lower_left - upper_left + lower_right - upper_right) / 2
    return right, down, corners[:4].mean(axis=0) - (right + down) / 2


def _square(square: TileSquare) -> Ring:
    """The corners of a tile in degrees, (5, 2)."""
    to_degrees = Transformer.from_crs(square.crs, "EPSG:4326", always_xy=True)
    corners = shapely.get_coordinates(shapely.box(*square.bounds))
    return np.column_stack(to_degrees.transform(corners[:, 0], corners[:, 1]))


def _beside_each_other(rings: list[Ring]) -> list[Ring]:
    """Rings in degrees, past 180 where the shortest map of them crosses the antimeridian."""
    longitudes = [beside(ring[:, 0], ring[0, 0]) for ring in rings]
    ends = within_180(np.array([[x.min(), x.max()] for x in longitudes]))
    west, east = shortest_span(ends[:, 0], ends[:, 1])
    centre = (west + (east if east >= west else east + 360)) / 2
    return [
        np.column_stack([beside(x, beside(x[:1], centre)[0]), ring[:, 1]])
        for x, ring in zip(longitudes, rings, strict=True)
    ]
