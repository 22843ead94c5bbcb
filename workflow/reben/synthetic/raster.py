"""Georeferenced single-band images, in any format that GDAL writes."""

from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin


def write_raster(
    path: Path,
    pixels: NDArray[Any],
    epsg: int,
    corner: tuple[float, float],
    resolution_m: int,
    driver: str = "GTiff",
    **options: object,
) -> None:
    """Write an image.

    Args:
        path: the file.
        pixels: (height, width), with the type of the image.
        epsg: code of its CRS.
        corner: x and y of its upper left corner, metres.
        resolution_m: side of a pixel, metres.
        driver: name of GDAL's driver.
        options: options of the driver.
    """
    with rasterio.open(
        path,
        "w",
        driver=driver,
        width=pixels.shape[1],
        height=pixels.shape[0],
        count=1,
        dtype=pixels.dtype,
        crs=f"EPSG:{epsg}",
        transform=from_origin(*corner, resolution_m, resolution_m),
        **options,
    ) as image:
        image.write(pixels, 1)
