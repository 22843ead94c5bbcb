"""CORINE and country polygons that match the synthetic products."""

import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from reben.runtime.files import atomic_file
from reben.synthetic.land import land_of
from reben.synthetic.noise import generator
from reben.synthetic.spec import ProductSpec

log = logging.getLogger(__name__)

#: GeoPackages contain the time of writing; a fixed one keeps their bytes the same.
_WRITTEN = "2020-01-01T00:00:00.000Z"
#: Decimal places of coordinates, so that rounding differences of PROJ vanish.
_DECIMALS_M, _DECIMALS_DEG = 3, 8
_COUNTRIES = ("Alderland", "Brennia", "Corvania")

Polygons = NDArray[np.object_]


def write_corine(
    path: Path,
    specs: Sequence[ProductSpec],
    seed: int = 0,
    polygons_per_tile: int | None = None,
    gaps: bool = True,
    code_column: str = "Code_18",
    layer: str = "U2018_CLC2018_V2020_20u1",
) -> None:
    """Write a GeoPackage in the layout of CORINE 2018 (EPSG:3035) that covers the products.

    The images are made from the same polygons. Products of one place count once; where places
    overlap, the first product's land is used.

    Args:
        path: the GeoPackage.
        specs: the products.
        seed: determines where the gaps are.
        polygons_per_tile: cut polygons along a grid until a tile has at least this many.
        gaps: leave a round area of each tile, about a twentieth of it, without polygons,
            and drop one polygon in fifty.
        code_column: name of the code column, which varies between real releases.
        layer: name of the layer.
    """
    covered: list[shapely.Geometry] = []
    polygons, codes = [], []
    for spec in {spec.place: spec for spec in reversed(specs)}.values():
        tile_polygons, tile_codes = _tile(spec, seed, polygons_per_tile, gaps)
        projected = _reproject(tile_polygons, spec.epsg, 3035, _DECIMALS_M)
        # All vertices of the land, since an edge that is straight in one CRS is curved in another.
        outline = shapely.coverage_union_all(
            _reproject(land_of(spec).polygons, spec.epsg, 3035, _DECIMALS_M)
        )
        for other in covered:
            if other.intersects(outline):
                projected = shapely.difference(projected, other)
        covered.append(outline)
        parts, owner = shapely.get_parts(projected, return_index=True)
        solid = shapely.get_type_id(parts) == 3
        polygons.append(parts[solid])
        codes.append(tile_codes[owner[solid]])
    geometry, code = np.concatenate(polygons), np.concatenate(codes)
    identity = [f"EU_{number}" for number in range(1, len(code) + 1)]
    columns = {
        code_column: code.astype(str).astype(object),
        "Remark": np.full(len(code), None, object),
        "Area_Ha": np.round(shapely.area(geometry) / 10_000, 4),
        "ID": np.array(identity, object),
    }
    _write(path, layer, geometry, columns, 3035)
    log.info("%s: %d polygons, %d codes", path, len(code), len(np.unique(code)))


def write_countries(path: Path, specs: Sequence[ProductSpec]) -> None:
    """Write a GeoPackage of three synthetic neighbours (column ``name``, EPSG:4326).

    Their borders run north to south; the first passes through the first product.
    """
    boxes = [
        _reproject(np.array([_outline(spec)]), spec.epsg, 4326, _DECIMALS_DEG)[0] for spec in specs
    ]
    west, south, east, north = shapely.union_all(boxes).buffer(0.5).bounds
    rng = generator("borders")
    first = boxes[0].centroid.x
    second = (first + east) / 2 if first < (west + east) / 2 else (first + west) / 2
    lat = np.linspace(south, north, 41)
    inner = (np.round(m + (rng.random(41) - 0.5) * 0.04, 6) for m in sorted((first, second)))
    lines = [np.full(41, west), *inner, np.full(41, east)]
    rings = [
        np.column_stack([np.concatenate([a, b[::-1]]), np.concatenate([lat, lat[::-1]])])
        for a, b in pairwise(lines)
    ]
    geometry = np.array([shapely.Polygon(ring) for ring in rings], object)
    _write(path, "countries", geometry, {"name": np.array(_COUNTRIES, object)}, 4326)


def _tile(
    spec: ProductSpec, seed: int, polygons_per_tile: int | None, gaps: bool
) -> tuple[Polygons, NDArray[np.int32]]:
    """A tile's polygons in its UTM zone, and their codes."""
    land = land_of(spec)
    polygons, codes = land.polygons, land.codes
    if polygons_per_tile and len(polygons) < polygons_per_tile:
        polygons, codes = _cut(polygons, codes, spec, polygons_per_tile)
    if gaps:
        rng = generator(seed, *spec.place, "gaps")
        x, y = rng.integers(20, 80, 2) / 100 * spec.side_m
        hole = shapely.Point(spec.x_min + x, spec.y_max - y).buffer(
            spec.side_m * 0.125, quad_segs=4
        )
        dropped = rng.random(len(polygons)) < 0.02
        polygons = shapely.difference(polygons[~dropped], hole)
        codes = codes[~dropped]
        left = ~shapely.is_empty(polygons)
        polygons, codes = polygons[left], codes[left]
    return polygons, codes


def _cut(
    polygons: Polygons, codes: NDArray[np.int32], spec: ProductSpec, wanted: int
) -> tuple[Polygons, NDArray[np.int32]]:
    """Cut polygons by a square grid of about `wanted` cells."""
    count = int(np.ceil(np.sqrt(wanted)))
    edges = np.linspace(0, spec.side_m, count + 1)
    x, y = spec.x_min + edges, spec.y_max - edges
    col, row = np.meshgrid(np.arange(count), np.arange(count))
    cells = shapely.box(x[col], y[row + 1], x[col + 1], y[row]).ravel()
    cell, polygon = shapely.STRtree(polygons).query(cells, predicate="intersects")
    parts, owner = shapely.get_parts(
        shapely.intersection(polygons[polygon], cells[cell]), return_index=True
    )
    solid = shapely.get_type_id(parts) == 3
    return parts[solid], codes[polygon[owner[solid]]]


def _outline(spec: ProductSpec) -> shapely.Polygon:
    return shapely.box(*spec.grid.bounds)


def _reproject(geometry: Polygons, source: int, target: int, decimals: int) -> Polygons:
    """Reproject vertices; shared vertices stay shared."""
    transformer = Transformer.from_crs(source, target, always_xy=True)

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = np.column_stack(transformer.transform(points[:, 0], points[:, 1]))
        return np.round(moved, decimals)

    projected: Polygons = shapely.transform(geometry, move)
    return projected


def _write(
    path: Path, layer: str, geometry: Polygons, columns: dict[str, NDArray[np.generic]], epsg: int
) -> None:
    """Write one layer of polygons with a fixed time stamp."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _WRITTEN})
    try:
        with atomic_file(path) as part:
            part.unlink(missing_ok=True)
            pyogrio.raw.write(
                part,
                geometry=shapely.to_wkb(geometry),
                field_data=list(columns.values()),
                fields=list(columns),
                geometry_type="Polygon",
                crs=f"EPSG:{epsg}",
                layer=layer,
                driver="GPKG",
            )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
