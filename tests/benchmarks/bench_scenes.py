"""Speed and memory of cutting the Sentinel-1 patches of a full-size tile from three scenes."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import rasterio
import rasterio.warp
from rasterio.transform import Affine, from_origin

from reben import scene_patches
from reben.config.scene_row import SceneRow
from reben.domain.bands import S2_BANDS
from reben.domain.tables import PATCHES, write_table
from reben.patches import TilePatches, patch_table
from reben.runtime.files import write_json
from tests.benchmarks.bench_tile import COUNT, SPEC, TILE
from tests.benchmarks.harness import Row, measured, plain

#: Of each scene: its name, the CRS of its rasters, and the columns that hold data, as shares.
SCENES = (
    ("S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017018_01C579_7EEC", 32633, (0.5, 1.0)),
    ("S1B_IW_GRDH_1SDV_20170612T165809_20170612T165834_006018_00A924_1A2B", 32632, (0.2, 0.6)),
    ("S1A_IW_GRDH_1SDV_20170611T051809_20170611T051834_016982_01C45D_3C4D", 32633, (0.0, 0.4)),
)
#: Pixels along the sides of a scene, which is 180 km wide; a real one is 250 km.
_SIDE_PX = 18_000
_BLOCK_PX = 512


def write_scene(folder: Path, name: str, epsg: int, share: tuple[float, float]) -> SceneRow:
    """Two deflated rasters of speckle, off the grid of the tile; once."""
    row = SceneRow(name, f"{folder}/{name}_VV.tif", f"{folder}/{name}_VH.tif", "power", None, True)
    middle = SPEC.x_min + SPEC.side_m / 2, SPEC.y_max - SPEC.side_m / 2
    x, y = rasterio.warp.transform(SPEC.grid.crs, f"EPSG:{epsg}", *([at] for at in middle))
    half = _SIDE_PX * 10 / 2
    place = from_origin(x[0] - half + 3.7, y[0] + half + 4.2, 10, 10)
    # The swath as columns of the raster, so that it covers its share of the tile.
    first, last = (int(_SIDE_PX / 2 + (at - 0.5) * SPEC.side_m / 10) for at in share)
    rng = np.random.default_rng(len(name) + epsg)
    speckle = rng.gamma(4, 0.02, (4 * _BLOCK_PX, _SIDE_PX)).astype(np.float32)
    speckle[:, : max(0, first)] = 0
    speckle[:, last:] = 0
    for path in row.rasters.values():
        _write(path, epsg, place, speckle)
    return row


def _write(path: str, epsg: int, place: Affine, speckle: np.ndarray) -> None:
    if Path(path).exists():
        return
    with rasterio.open(
        f"{path}.part",
        "w",
        driver="GTiff",
        width=_SIDE_PX,
        height=_SIDE_PX,
        count=1,
        dtype="float32",
        crs=f"EPSG:{epsg}",
        transform=place,
        tiled=True,
        blockxsize=_BLOCK_PX,
        blockysize=_BLOCK_PX,
        bigtiff="yes",
    ) as dataset:
        for top in range(0, _SIDE_PX, len(speckle)):
            rows = min(len(speckle), _SIDE_PX - top)
            dataset.write(speckle[:rows], 1, window=((top, top + rows), (0, _SIDE_PX)))
    Path(f"{path}.part").rename(path)


def cut(out: Path, threads: int) -> None:
    """What the rule cut_sentinel1 does."""
    scene_patches.main(
        ["--tile", TILE, "--scenes", f"{out}/scenes.json", "--patches", f"{out}/patches.parquet"]
        + ["--threads", str(threads), "--out", f"{out}/sentinel1", "--table", f"{out}/s1.parquet"]
    )


def rows(scratch: Path, kept: Path, floor: Row, threads: int = 2) -> list[Row]:
    """Measure below `scratch`; `kept` holds the scenes between runs.

    Args:
        scratch: an empty folder.
        kept: for the inputs.
        floor: the decoding of the tile's bands.
        threads: of the step.
    """
    folder = kept / "scenes"
    folder.mkdir(exist_ok=True)
    out = scratch / "scenes"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    scenes = []
    for scene in SCENES:
        measured(plain, write_scene, folder, *scene)
        scenes.append(write_scene(folder, *scene))
    grid = SPEC.grid
    nodata = {band: np.zeros((grid.count, grid.count), bool) for band in S2_BANDS}
    write_table(
        out / "patches.parquet", patch_table(TILE, grid, TilePatches(nodata, None)), PATCHES
    )
    found = {row.scene: row.to_dict() for row in scenes}
    write_json(out / "scenes.json", {"tiles": {TILE: list(found)}, "scenes": found})
    seconds, peak = measured(plain, cut, out, threads)
    count = len(pl.read_parquet(out / "s1.parquet"))
    shutil.rmtree(out)
    step = f"cut_sentinel1 from 3 scenes, {count} of {COUNT} patches"
    return [Row(step, seconds, count / seconds, floor.seconds / seconds, floor.step, peak)]
