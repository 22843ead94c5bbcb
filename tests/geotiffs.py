"""Patches as GeoTIFFs for tests of their readers, written by GDAL through rasterio."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from reben.domain.bands import RESOLUTION_M, S1_BANDS
from reben.storage.geotiff_writer import Profile, gdal_options

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
SCENE = "S1A_IW_GRDH_1SDV_20170613T165043"


def s2_arrays(seed: int, patch_side_m: int = 1200) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(seed)
    return {
        band: rng.integers(1, 4000, (patch_side_m // res, patch_side_m // res), dtype="uint16")
        for band, res in RESOLUTION_M.items()
    }


def s1_arrays(seed: int) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(seed)
    return {band: rng.normal(-10, 3, (120, 120)).astype("float32") for band in S1_BANDS}


def reference_map(seed: int) -> dict[str, NDArray[np.generic]]:
    codes = np.random.default_rng(seed).choice(np.array([211, 312, 999], "uint16"), (12, 12))
    return {"reference_map": codes.repeat(10, 0).repeat(10, 1)}


def write_patch(
    folder: Path,
    arrays: Mapping[str, NDArray[np.generic]],
    *,
    corner: tuple[float, float] = (300_000, 5_800_000),
    epsg: int = 32633,
    **options: object,
) -> Path:
    """Write ``<folder>/<name>_<layer>.tif`` with any further options of rasterio."""
    folder.mkdir(parents=True)
    for layer, pixels in arrays.items():
        px = len(pixels)
        profile = Profile(
            epsg,
            px,
            1200 // px,
            str(pixels.dtype),
            nodata=0 if layer.startswith("B") else None,
            deflate=layer == "reference_map",
        )
        settings = gdal_options(profile) | options
        transform = from_origin(*corner, profile.resolution_m, profile.resolution_m)
        with rasterio.open(
            folder / f"{folder.name}_{layer}.tif", "w", **settings, transform=transform
        ) as dataset:
            dataset.write(pixels, 1)
    return folder
