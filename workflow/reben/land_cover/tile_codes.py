"""The land cover of a tile as codes on its 10 m grid, whatever its clip is made of."""

import os
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from reben.domain.grid import TileGrid
from reben.land_cover.corine_polygons import Clip
from reben.land_cover.raster_clip import RasterClip
from reben.land_cover.rasterise import rasterise


def read_clip(path: str | os.PathLike[str], grid: TileGrid) -> Clip | RasterClip:
    """Read the clip of a tile: polygons or a raster, by its suffix.

    Raises:
        RebenError: it is missing or unreadable.
    """
    is_raster = Path(path).suffix == RasterClip.suffix
    return RasterClip.read(path, grid) if is_raster else Clip.read(path, grid)


def tile_codes(clip: Clip | RasterClip, grid: TileGrid) -> NDArray[np.uint16]:
    """The codes at the centres of a tile's pixels.

    Returns:
        (tile_px, tile_px) codes, `reben.land_cover.nomenclature.NO_CODE` where there is none.
    """
    if isinstance(clip, RasterClip):
        return clip.codes
    return rasterise(grid, clip.codes, shapely.from_wkb(clip.wkb))
