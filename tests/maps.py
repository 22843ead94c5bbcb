"""Land cover maps for tests: small rasters on the grid of one tile, and their legends."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from reben.domain.grid import TileSquare
from reben.land_cover.legend import Legend
from reben.land_cover.nomenclature import NO_CODE

SQUARE = TileSquare(32633, 300_000, 5_400_000, 2400)
PX = 240


def write_map(
    path: Path,
    pixels: NDArray[np.generic],
    *,
    west: float = 300_000,
    pixel: float = 10,
    crs: str | None = "EPSG:32633",
    nodata: float | None = None,
) -> Path:
    """A GeoTIFF whose upper edge is that of the tile."""
    bands = np.atleast_3d(pixels.T).T
    with rasterio.open(
        path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=len(bands),
        dtype=pixels.dtype.name, crs=crs, nodata=nodata,
        transform=from_origin(west, 5_400_000, pixel, pixel) if crs else None,
    ) as dataset:  # fmt: skip
        dataset.write(bands)
    return path


def full(value: int, dtype: str = "uint8") -> NDArray[np.generic]:
    return np.full((PX, PX), value, dtype)


def legend(**codes: int) -> Legend:
    """A legend of values and codes: ``v10=10``."""
    values = {int(name[1:]): code for name, code in codes.items()}
    known = {code: (f"class {code}", "#123456") for code in values.values() if code != NO_CODE}
    return Legend("map", "", values, known)


TWO = legend(v10=10, v20=20)
