"""Sentinel-1 scenes for tests: small geocoded rasters, and the patches of a tile to cut."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reben.config.scene_row import SceneRow
from reben.domain.bands import S2_BANDS
from reben.domain.grid import TileGrid
from reben.patches import TilePatches, patch_table
from reben.synthetic.raster import write_raster

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
GRID = TileGrid(32633, 300_000, 5_400_000, 2400)
#: Six hours after the tile, on an ascending pass, and 29 hours before it, on a descending one.
EVENING = "S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017018_01C579_7EEC"
MORNING = "S1B_IW_GRDH_1SDV_20170612T051809_20170612T051834_006011_00A8F0_1A2B"


def patches_of(grid: TileGrid = GRID, tile: str = TILE) -> pl.DataFrame:
    """The patches of a tile, all valid."""
    nodata = {band: np.zeros((grid.count, grid.count), bool) for band in S2_BANDS}
    return patch_table(tile, grid, TilePatches(nodata, None))


def power(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float32]:
    """Speckled backscatter as linear power."""
    return np.random.default_rng(seed).gamma(4, 0.02, shape).astype(np.float32)


def write_scene(
    folder: Path,
    scene: str = EVENING,
    *,
    vv: NDArray[Any] | None = None,
    vh: NDArray[Any] | None = None,
    epsg: int = 32633,
    corner: tuple[float, float] = (299_873, 5_400_131),
    resolution_m: int = 10,
    scale: str = "power",
    zero_is_nodata: bool = True,
    **options: object,
) -> SceneRow:
    """Write the rasters of a scene that covers `GRID`, by default off its grid."""
    folder.mkdir(exist_ok=True)
    row = SceneRow(
        scene,
        str(folder / f"{scene}_VV.tif"),
        str(folder / f"{scene}_VH.tif"),
        scale,
        zero_is_nodata=zero_is_nodata,
        relative_orbit=SceneRow(scene, "", "", scale).name.relative_orbit,
    )
    for path, pixels, seed in ((row.vv, vv, 1), (row.vh, vh, 2)):
        values = power((270, 270), seed) if pixels is None else pixels
        write_raster(Path(path), values, epsg, corner, resolution_m, **options)
    return row
