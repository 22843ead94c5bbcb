"""Land cover polygons as pixels at 10 m, and how many pixels of each code a patch has.

In: the codes and polygons of a tile in its zone (`reben.land_cover.corine_polygons`). Out: a
raster of the tile, and counts by patch and code. A pixel gets the code of the polygon that
contains its centre, or `NO_CODE` if there is none.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import from_origin

from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.grid import TileGrid
from reben.land_cover.nomenclature import NO_CODE


def rasterise(
    grid: TileGrid, codes: NDArray[np.int16], polygons: NDArray[Any]
) -> NDArray[np.uint16]:
    """Burn polygons into the tile's 10 m grid by pixel centre.

    Args:
        grid: the tile.
        codes: (n,) code of each polygon.
        polygons: (n,) shapely polygons in the tile's zone.

    Returns:
        (tile_px, tile_px) codes, `NO_CODE` outside all polygons.
    """
    px = grid.tile_px(REFERENCE_MAP_M)
    out = np.full((px, px), NO_CODE, np.uint16)
    if len(codes):
        rasterize(
            zip(polygons, codes.tolist(), strict=True),
            out=out,
            transform=from_origin(grid.x_min, grid.y_max, REFERENCE_MAP_M, REFERENCE_MAP_M),
        )
    return out


def count_codes(row: NDArray[np.uint16], codes: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Count the pixels of each code in each patch of one patch row.

    Args:
        row: (count, patch_px, patch_px) maps.
        codes: (k,) ascending codes that occur in the tile.

    Returns:
        (count, k) pixels.
    """
    index = np.zeros(int(codes[-1]) + 1 if len(codes) else 1, np.intp)
    index[codes] = np.arange(len(codes))
    keys = index[row.reshape(len(row), row.shape[1] * row.shape[2])] + np.arange(len(row))[
        :, None
    ] * len(codes)
    counts = np.bincount(keys.ravel(), minlength=len(row) * len(codes))
    return counts.reshape(len(row), len(codes))
