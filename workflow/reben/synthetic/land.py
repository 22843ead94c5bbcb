"""The locations of CORINE classes: polygons in the tile's UTM zone.

Both the imagery and the CORINE layer are made from these polygons, so a reference map
matches the image. Relief determines the classes: water in hollows, fields and meadows on
plains, forest on hills; towns grow around centres; a river and a road cross the tile.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin

from reben.synthetic.noise import Float, SmoothNoise, cells_along, generator, nearest_cell
from reben.synthetic.spec import ProductSpec

#: Resolution of the class layout, and mean side of a parcel, in metres.
LAYOUT_M = 60
PARCEL_M = 950
#: Distance between rivers, in metres.
_RIVERS_M = 13_000
#: Smallest area in layout pixels, about 9 ha; real CORINE has 25 ha.
_SMALLEST_PX = 25

# Height rank of a parcel's seed point (0 lowest, 1 highest) up to which codes are chosen,
# and the codes, repeated by weight.
_BANDS: tuple[tuple[float, tuple[int, ...]], ...] = (
    (0.045, (512,)),
    (0.075, (411, 412, 512, 231, 421)),
    (0.20, (231, 231, 231, 211, 242, 311, 321)),
    (0.55, (211, 211, 211, 211, 211, 242, 243, 231, 222, 221)),
    (0.64, (243, 231, 211, 324, 311, 244)),
    (0.80, (311, 311, 311, 313, 324, 231)),
    (0.90, (313, 312, 311, 312)),
    (1.01, (312, 312, 312, 313, 322, 321)),
)
# One parcel in ten gets any code for its height, so that all of CORINE occurs somewhere.
_RARE: tuple[tuple[float, tuple[int, ...]], ...] = (
    (0.10, (331, 421, 422, 423, 411, 412, 521, 522, 523, 511)),
    (0.60, (121, 131, 132, 133, 124, 141, 142, 212, 213, 221, 222, 223, 241, 244, 123)),
    (0.96, (321, 322, 323, 324, 333, 334, 131, 244)),
    (1.01, (321, 332, 333, 332, 335)),
)
_TOWN_PARCELS = (112, 112, 112, 112, 112, 112, 121, 142, 141, 133)


@dataclass(frozen=True)
class Land:
    """The classes of a tile.

    Attributes:
        polygons: (n,) shapely polygons in the tile's UTM zone; they cover the tile without
            overlap.
        codes: (n,) CORINE code of each.
    """

    polygons: NDArray[np.object_]
    codes: NDArray[np.int32]


def land_of(spec: ProductSpec) -> Land:
    """The land at a product's place."""
    return _land(*spec.place)


@lru_cache(maxsize=2)
def _land(seed: int, epsg: int, x_min: int, y_max: int, side_m: int) -> Land:
    return land_of_layout(_layout((seed, epsg, x_min, y_max), side_m), x_min, y_max)


def land_of_layout(layout: NDArray[np.int32], x_min: int, y_max: int) -> Land:
    """The land of a raster of codes.

    Args:
        layout: (size, size) CORINE codes at `LAYOUT_M`.
        x_min: its left edge in the tile's UTM zone, metres.
        y_max: its upper edge, metres.
    """
    transform = from_origin(x_min, y_max, LAYOUT_M, LAYOUT_M)
    shapes = list(rasterio.features.shapes(layout, connectivity=4, transform=transform))
    stairs = np.array([shapely.geometry.shape(geometry) for geometry, _ in shapes], dtype=object)
    # With a vertex at every step, neighbours share all vertices of their border; it is
    # then simplified once for both, without gaps or overlaps.
    noded = shapely.transform(shapely.segmentize(stairs, LAYOUT_M), np.round)
    polygons = shapely.coverage_simplify(noded, 2 * LAYOUT_M, simplify_boundary=False)
    codes = np.array([code for _, code in shapes], np.int32)
    return Land(shapely.normalize(polygons), codes)


def _layout(key: tuple[int, ...], side_m: int) -> NDArray[np.int32]:
    """CORINE codes on the layout grid: (size, size) int32."""
    size_px = side_m // LAYOUT_M
    axis = (np.arange(size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(LAYOUT_M)
    bend = [SmoothNoise((*key, f"bend {k}"), side_m, 1400, 4)(axis, axis) for k in "xy"]
    x = axis[None, :] + bend[0] * np.float32(420)
    y = axis[:, None] + bend[1] * np.float32(420)
    cell = nearest_cell((*key, "parcels"), side_m, PARCEL_M, x, y)
    codes = _parcel_codes(key, side_m)[cell]
    for code, centre in _lines(key, side_m, axis):
        # Only the river crosses towns, and nothing crosses water.
        passable = (codes // 100 != 5) & ((codes // 10 != 11) | (code == 511))
        codes[centre & passable] = code
    sieved: NDArray[np.int32] = rasterio.features.sieve(
        codes, min(_SMALLEST_PX, codes.size), connectivity=4
    )
    return sieved


def _parcel_codes(key: tuple[int, ...], side_m: int) -> NDArray[np.int32]:
    """The code of every parcel, from its height and the nearest town."""
    count = cells_along(side_m, PARCEL_M)
    rng = generator(*key, "codes")
    axis = np.arange(count, dtype=np.float32) * np.float32(PARCEL_M)
    height = SmoothNoise((*key, "height"), count * PARCEL_M, 5200, 3)(axis, axis).ravel()
    height += rng.random(count**2, dtype=np.float32) * np.float32(0.12)
    rank = np.empty(count**2, np.float32)
    rank[np.argsort(height, kind="stable")] = np.arange(count**2, dtype=np.float32) / count**2
    codes = _draw(rng, rank, _BANDS)
    rare = rng.random(count**2) < 0.1
    codes[rare] = _draw(rng, rank, _RARE)[rare]

    row, col = np.divmod(np.arange(count**2), count)
    plains = np.flatnonzero((rank > 0.12) & (rank < 0.5) & _inner(row, count) & _inner(col, count))
    # Tiles of a few patches may have no plain, and then no town.
    towns = rng.choice(plains, max(1, round(count**2 / 100)) if len(plains) else 0)
    for town, size in zip(towns, rng.integers(1, 6, len(towns)), strict=True):
        distance = (row - row[town]) ** 2 + (col - col[town]) ** 2
        near = (distance <= size) & (rank > 0.06)
        codes[near] = rng.choice(_TOWN_PARCELS, int(near.sum()))
        codes[town] = 111 if size > 3 else 112
    return codes


def _inner(index: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    return (index > 2) & (index < count - 3)


def _draw(
    rng: np.random.Generator, rank: Float, bands: tuple[tuple[float, tuple[int, ...]], ...]
) -> NDArray[np.int32]:
    """One code per rank, from the band that contains it."""
    limits = np.array([limit for limit, _ in bands])
    band = np.searchsorted(limits, rank, side="right")
    draws = [rng.choice(codes, len(rank)) for _, codes in bands]
    chosen: NDArray[np.int32] = np.choose(band, draws).astype(np.int32)
    return chosen


def _lines(key: tuple[int, ...], side_m: int, axis: Float) -> list[tuple[int, NDArray[np.bool_]]]:
    """Winding rivers and a nearly straight road, as masks on the layout grid."""
    rng = generator(*key, "lines")
    wind = SmoothNoise((*key, "river"), side_m, 4200, 3)(axis, axis)
    # Distance from a line across the tile, bent by noise too weak to form closed rings.
    turn = np.float32(rng.choice((-0.6, 0.6)))
    across = np.float32(0.8) * axis[:, None] + turn * axis[None, :]
    across += wind * np.float32(1900) + np.float32(rng.integers(_RIVERS_M))
    steps = np.gradient(across) if side_m > LAYOUT_M else [np.ones_like(across)]
    # Divided by its slope, the distance is uniform along the river.
    slope = np.maximum(np.max(np.abs(steps), axis=0), np.float32(1))
    river = np.abs(across % _RIVERS_M - _RIVERS_M // 2) < np.float32(1.3) * slope
    start = np.float32(0.2 + 0.6 * rng.random())
    sway = SmoothNoise((*key, "road"), side_m, 7000, 1)(axis, axis[:1])[0] * np.float32(900)
    middle = start * side_m + (axis - side_m / 2) * np.float32(0.25) + sway
    road = np.abs(axis[:, None] - middle[None, :]) < np.float32(LAYOUT_M)
    return [(122, road), (511, river)]
