"""Synthetic BigEarthNet-S1 patches at the places of the Sentinel-2 patches."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reben.domain.bands import S1_BANDS
from reben.runtime.files import atomic_directory
from reben.synthetic.noise import generator, grain
from reben.synthetic.raster import write_raster
from reben.synthetic.scene import Scene
from reben.synthetic.spec import ProductSpec

log = logging.getLogger(__name__)

#: Backscatter of VH relative to VV in decibels, and spread of the speckle that remains
#: after the filter in BigEarthNet-S1's processing.
CROSS_DB = -6.8
SPECKLE_DB = 1.6


def write_sentinel1(
    root: Path,
    spec: ProductSpec,
    patches: Iterable[tuple[int, int]],
    scene_times: Sequence[str],
    padded: bool = False,
    patch_side_m: int | None = None,
) -> list[Path]:
    """Write Sentinel-1 patches in the layout of the published BigEarthNet-S1.

    ``{root}/{scene}/{patch}/{patch}_VV.tif`` and ``_VH.tif``: float32, decibels,
    uncompressed, without nodata, in the CRS and place of the Sentinel-2 patch.

    Args:
        root: folder for the scenes.
        spec: the Sentinel-2 product.
        patches: columns and rows.
        scene_times: sensing times of the scenes (``20170613T165043``); they divide the
            tile from west to east, alternating between S1A and S1B.
        padded: write indices with two digits; published names are not padded.
        patch_side_m: side of a patch, metres; by default that of BigEarthNet if it fits.

    Returns:
        The patches' folders.
    """
    backscatter = Scene(spec).backscatter()
    grid = spec.grid if patch_side_m is None else replace(spec.grid, patch_side_m=patch_side_m)
    size_px = grid.patch_px(10)
    folders = []
    for col, row in patches:
        number = col * len(scene_times) // grid.count
        scene = f"S1{'AB'[number % 2]}_IW_GRDH_1SDV_{scene_times[number]}"
        indices = f"{col:02d}_{row:02d}" if padded else f"{col}_{row}"
        name = f"{scene}_{spec.product.mgrs}_{indices}"
        folder = root / scene / name
        window = np.s_[row * size_px : (row + 1) * size_px, col * size_px : (col + 1) * size_px]
        files = {band: f"{name}_{band}.tif" for band in S1_BANDS}
        with atomic_directory(folder, replaces=files.values()) as part:
            for band, offset_db in (("VV", 0.0), ("VH", CROSS_DB)):
                rng = generator(spec.seed, name, band)
                speckle = grain(rng, (size_px, size_px)) * np.float32(SPECKLE_DB)
                pixels = backscatter[window] + np.float32(offset_db) + speckle
                write_raster(part / files[band], pixels, spec.epsg, grid.corner(col, row), 10)
        folders.append(folder)
    log.info("%s: %d Sentinel-1 patches", spec.name, len(folders))
    return folders
