"""Synthetic Sentinel-1 scenes: geocoded rasters of VV and VH, and the table that lists them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.scene_names import SceneName
from reben.runtime.files import write_text
from reben.synthetic.land import Land
from reben.synthetic.noise import generator, grain
from reben.synthetic.raster import write_raster
from reben.synthetic.scene import Scene
from reben.synthetic.sentinel1 import CROSS_DB, SPECKLE_DB
from reben.synthetic.spec import ProductSpec

log = logging.getLogger(__name__)

#: Ground beyond the product that a scene shows on each side, metres.
_BEYOND_M = 300


@dataclass(frozen=True)
class SceneSpec:
    """A synthetic scene over a product.

    Attributes:
        name: full name of the GRD product.
        epsg: CRS of the rasters; None: that of the product.
        offset_m: of their grid from that of the product; 0: the same grid.
        swath: west and east end of what was sensed, as shares of the product's width at its
            middle; the ends are slanted, to the left for an ascending pass.
        scale: ``power``, ``amplitude`` or ``db``.
        resolution_m: side of a pixel, metres.
    """

    name: str
    epsg: int | None = None
    offset_m: float = 4.0
    swath: tuple[float, float] = (-1.0, 2.0)
    scale: str = "power"
    resolution_m: int = 10


def write_scenes(
    root: Path,
    spec: ProductSpec,
    scenes: Sequence[SceneSpec],
    table: Path | None = None,
    land: Land | None = None,
) -> Path:
    """Write the rasters of scenes over a product, and add them to the table of scenes.

    ``{root}/{scene}_VV.tif`` and ``_VH.tif``: float32; 0 where nothing was sensed, NaN for
    decibels.

    Args:
        root: folder of the rasters.
        spec: the Sentinel-2 product, whose land they show.
        scenes: the scenes.
        table: the table; by default ``{root}/scenes.tsv``.
        land: the land, where it is not the generated one of the product's place.

    Returns:
        The table.
    """
    table = table or root / "scenes.tsv"
    root.mkdir(parents=True, exist_ok=True)
    backscatter = Scene(spec, land).backscatter()
    lines = table.read_text("utf-8").splitlines() if table.exists() else ["scene\tvv\tvh\tscale"]
    for scene in scenes:
        size = -(-(spec.side_m + 2 * _BEYOND_M) // scene.resolution_m)
        corner = _corner(spec, scene)
        step = (np.arange(size) + 0.5) * scene.resolution_m
        x, y = np.meshgrid(corner[0] + step, corner[1] - step)
        if scene.epsg not in (None, spec.epsg):
            transformer = Transformer.from_crs(scene.epsg, spec.epsg, always_xy=True)
            x, y = transformer.transform(x, y)
        col = np.floor((x - spec.x_min) / 10).astype(int)
        row = np.floor((spec.y_max - y) / 10).astype(int)
        ends = [spec.x_min + share * spec.side_m for share in scene.swath]
        slant = (y - spec.y_max + spec.side_m / 2) * 0.2
        last = len(backscatter) - 1
        # Land goes on beyond the product, like its edge.
        ground = backscatter[np.clip(row, 0, last), np.clip(col, 0, last)]
        sensed = (x >= ends[0] - slant) & (x < ends[1] - slant)
        paths = []
        for band, offset_db in (("VV", 0.0), ("VH", CROSS_DB)):
            speckle = grain(generator(spec.seed, scene.name, band), (size, size))
            decibels = ground + np.float32(offset_db) + speckle * np.float32(SPECKLE_DB)
            values = _scaled(decibels, scene.scale)
            values[~sensed] = np.nan if scene.scale == "db" else 0
            path = root / f"{SceneName.parse(scene.name).name}_{band}.tif"
            write_raster(path, values, scene.epsg or spec.epsg, corner, scene.resolution_m)
            paths.append(path.as_posix())
        lines.append("\t".join([scene.name, *paths, scene.scale]))
    write_text(table, "\n".join(lines) + "\n")
    log.info("%s: %d scenes", table, len(lines) - 1)
    return table


def _corner(spec: ProductSpec, scene: SceneSpec) -> tuple[float, float]:
    """The upper left corner of a scene's rasters."""
    x, y = spec.x_min - _BEYOND_M, spec.y_max + _BEYOND_M
    if scene.epsg not in (None, spec.epsg):
        transformer = Transformer.from_crs(spec.epsg, scene.epsg, always_xy=True)
        middle = spec.side_m / 2
        x, y = transformer.transform(spec.x_min + middle, spec.y_max - middle)
        x, y = round(x - middle - _BEYOND_M, -1), round(y + middle + _BEYOND_M, -1)
    return x + scene.offset_m, y + scene.offset_m


def _scaled(decibels: NDArray[np.float32], scale: str) -> NDArray[np.float32]:
    if scale == "db":
        return decibels
    power = np.exp(decibels.astype(np.float64) * (np.log(10) / 10))
    values: NDArray[np.float32] = (np.sqrt(power) if scale == "amplitude" else power).astype("f4")
    return values
