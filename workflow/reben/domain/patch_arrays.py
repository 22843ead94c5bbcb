"""A tile's patches as arrays: conversions between its patch table, grid and pixels.

In: rows of `tables.PATCHES` of one tile, or the pixels of some rows of patches. Out: the tile's
grid, which patches are valid by row and column, and the pixels patch by patch.
"""

from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reben.domain.grid import TileGrid
from reben.runtime.errors import TableError

#: Type of pixels.
Pixel = TypeVar("Pixel", bound=np.generic)


def grid_of(patches: pl.DataFrame) -> TileGrid:
    """The grid of the one tile of a `tables.PATCHES` table.

    Raises:
        TableError: the rows belong to several tiles or to none.
    """
    place = patches.select("epsg", "tile_x_min", "tile_y_max", "tile_side_m").unique()
    if len(place) != 1:
        raise TableError(f"expected the patches of one tile, found those of {len(place)} tiles")
    epsg, x_min, y_max, tile_side_m = place.row(0)
    patch_side_m: int = patches["x_max"][0] - patches["x_min"][0]
    return TileGrid(epsg, x_min, y_max, tile_side_m, patch_side_m)


def valid_array(patches: pl.DataFrame, grid: TileGrid) -> NDArray[np.bool_]:
    """Which patches of a tile's table are valid, (row, col)."""
    valid = np.zeros((grid.count, grid.count), bool)
    valid[patches["row"].to_numpy(), patches["col"].to_numpy()] = patches["valid"].to_numpy()
    return valid


def blocks(strip: NDArray[Pixel], patch_px: int, count: int) -> NDArray[Pixel]:
    """View some rows of patches as patches.

    Args:
        strip: (patch_px * n, width) pixels; what lies right of the last patch is left out.
        patch_px: pixels along a patch's side.
        count: patches along the tile's side.

    Returns:
        (n, count, patch_px, patch_px), without a copy.
    """
    n = len(strip) // patch_px
    cut = strip[:, : count * patch_px]
    return cut.reshape(n, patch_px, count, patch_px).transpose(0, 2, 1, 3)
