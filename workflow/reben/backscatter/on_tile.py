"""A Sentinel-1 scene on the 10 m grid of a tile.

In: the rasters of VV and VH, a block of the tile. Out: VV and VH in decibels there, NaN where the
scene has no data. Backscatter is interpolated as linear power, never as decibels, and bilinearly;
where one of the four pixels has no data, so has the result. A raster on the tile's own grid is
copied value for value.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Self

import numpy as np
import pyproj
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import Affine, from_origin
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from reben.backscatter.scene_raster import (
    Float,
    RasterGrid,
    SceneRaster,
    check_grids_equal,
    to_decibels,
)
from reben.config.scene_row import SceneRow
from reben.domain.bands import S1_M
from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside

#: How far from a whole pixel the grids of a raster and of a tile may be to be the same, pixels.
_SAME = 1e-4
#: Points along each side of a block, between which its sides are straight in another CRS, almost.
_POINTS = 21
#: Pixels around a block in the raster: the bilinear kernel, and sides that are not quite straight.
_MARGIN = 3
#: Error of the approximated transform, pixels of the raster; GDAL's default is 0.125.
_TOLERANCE = 0.001
#: Pixels of a raster that are in memory at a time, in one thread.
_MAX_SOURCE_PX = 16 << 20
#: The kernel has the size of a pixel whatever the block: GDAL would fit it to the block's shape.
_WARP = {"XSCALE": 1, "YSCALE": 1}
#: Decoded blocks are kept for the next block of a strip: of all threads together, MB.
GDAL_ENV = {"GDAL_CACHEMAX": 256, "GDAL_NUM_THREADS": 1}


@dataclass(frozen=True)
class Block:
    """A rectangle of a tile's pixels at 10 m: first row and column, and their numbers."""

    row: int
    col: int
    rows: int
    cols: int

    def halves(self) -> tuple["Block", "Block"]:
        """The block in two, a left and a right one."""
        left = self.cols // 2
        return (
            Block(self.row, self.col, self.rows, left),
            Block(self.row, self.col + left, self.rows, self.cols - left),
        )

    def bounds(self, tile: TileSquare) -> tuple[int, int, int, int]:
        """Its place: (x_min, y_min, x_max, y_max), metres."""
        x_min = tile.x_min + self.col * S1_M
        y_max = tile.y_max - self.row * S1_M
        return x_min, y_max - self.rows * S1_M, x_min + self.cols * S1_M, y_max


class Placement:
    """Where the pixels of a tile are in a raster.

    Args:
        grid: of the raster.
        tile: the tile.
    """

    def __init__(self, grid: RasterGrid, tile: TileSquare) -> None:
        self.grid, self.tile = grid, tile
        crs = pyproj.CRS.from_wkt(grid.crs)
        self._transformer = pyproj.Transformer.from_crs(tile.crs, crs, always_xy=True)
        self._inverse = ~grid.affine
        middle = grid.affine @ (grid.width / 2, grid.height / 2)
        self._centre = middle[0] if crs.is_geographic else None
        self.offset = self._offset(crs)

    def _offset(self, crs: pyproj.CRS) -> tuple[int, int] | None:
        """Column and row of the tile's corner in a raster on the same grid; None on another."""
        x, y = self._inverse @ (self.tile.x_min, self.tile.y_max)
        size = (self.grid.affine.a, self.grid.affine.b, self.grid.affine.d, self.grid.affine.e)
        whole = abs(x - round(x)) < _SAME and abs(y - round(y)) < _SAME
        sized = (
            np.abs(np.subtract(size, (S1_M, 0, 0, -S1_M))).max() * (self.tile.tile_px(S1_M))
            < _SAME * S1_M
        )
        same = whole and sized and crs.to_epsg() == self.tile.epsg
        return (round(x), round(y)) if same else None

    def outline(self, block: Block) -> NDArray[np.float64]:
        """The ring around a block in columns and rows of the raster, (n, 2); may have infinity."""
        x_min, y_min, x_max, y_max = block.bounds(self.tile)
        along = np.linspace(0, 1, _POINTS)[:-1]
        x = x_min + (x_max - x_min) * np.concatenate([along, along**0, 1 - along, 0 * along])
        y = y_max - (y_max - y_min) * np.concatenate([0 * along, along, along**0, 1 - along])
        x, y = self._transformer.transform(x, y)
        if self._centre is not None:
            x = beside(x, self._centre)
        return np.transpose(self._inverse @ np.stack([x, y]))

    def window(self, block: Block) -> Window | None:
        """The part of the raster that a block needs; None where they do not meet."""
        ring = self.outline(block)
        if not np.isfinite(ring).all():
            return None
        left, top = (floor(low) - _MARGIN for low in ring.min(axis=0))
        right, bottom = (ceil(high) + _MARGIN for high in ring.max(axis=0))
        if right <= 0 or bottom <= 0 or left >= self.grid.width or top >= self.grid.height:
            return None
        return Window(left, top, right - left, bottom - top)

    def turns(self, window: Window) -> list[int]:
        """By how many degrees to turn a window so that GDAL, from -180 to 180, finds all of it."""
        if self._centre is None:
            return [0]
        ends = [self.grid.affine @ (window.col_off + x, window.row_off) for x in (0, window.width)]
        west, east = sorted(x for x, _ in ends)
        return [0, *([-360] if east > 180 else []), *([360] if west < -180 else [])]

    def meets(self) -> bool:
        """Whether the tile and the raster have ground in common."""
        px = self.tile.tile_px(S1_M)
        ring = self.outline(Block(0, 0, px, px))
        if not np.isfinite(ring).all():
            return False
        extent = shapely.box(0, 0, self.grid.width, self.grid.height)
        return bool(shapely.intersection(shapely.Polygon(ring), extent).area > 0)


class SceneOnTile:
    """The rasters of a scene, to be read on the grid of a tile. Not thread-safe.

    Args:
        row: the scene.
        tile: the tile.

    Raises:
        RasterError: a raster cannot be used, or the two have different grids.
    """

    def __init__(self, row: SceneRow, tile: TileSquare) -> None:
        self.rasters = open_rasters(row)
        self._place = Placement(self.rasters["VV"].grid, tile)

    @classmethod
    @contextmanager
    def open(cls, row: SceneRow, tile: TileSquare) -> Iterator[Self]:
        """Open the rasters, and close them after the block."""
        with rasterio.Env(**GDAL_ENV):
            scene = cls(row, tile)
            try:
                yield scene
            finally:
                for raster in scene.rasters.values():
                    raster.close()

    def read(self, block: Block) -> tuple[dict[str, Float], dict[str, Float]] | None:
        """Decibels on a block of the tile, by band; and the values of the rasters behind them.

        Returns:
            Two dicts of arrays: (rows, cols) of the block, NaN where the scene has no data, and
            of the raster's own pixels, any shape. None where the scene does not reach the block.
        """
        if self._place.offset is not None:
            col, row = self._place.offset
            window = Window(col + block.col, row + block.row, block.cols, block.rows)
            values = {band: raster.read(window) for band, raster in self.rasters.items()}
            return {b: self.rasters[b].decibels(v) for b, v in values.items()}, values
        window = self._place.window(block)
        if window is None:
            return None
        if window.width * window.height > _MAX_SOURCE_PX and block.cols > 1:
            return self._read_halves(block)
        values = {band: raster.read(window) for band, raster in self.rasters.items()}
        power = np.stack([self.rasters[band].power(v) for band, v in values.items()])
        warped = self._warp(power, window, block)
        return {b: to_decibels(warped[i]) for i, b in enumerate(values)}, values

    def _read_halves(self, block: Block) -> tuple[dict[str, Float], dict[str, Float]] | None:
        halves = block.halves()
        parts = [self.read(half) for half in halves]
        found = [part for part in parts if part is not None]
        if not found:
            return None
        nothing = [np.full((half.rows, half.cols), np.nan, np.float32) for half in halves]
        return (
            {
                band: np.hstack(
                    [part[0][band] if part else nothing[i] for i, part in enumerate(parts)]
                )
                for band in self.rasters
            },
            {
                band: np.concatenate([part[1][band].ravel() for part in found])
                for band in self.rasters
            },
        )

    def _warp(self, power: Float, window: Window, block: Block) -> Float:
        """Power of a window, (bands, height, width), on a block: (bands, rows, cols)."""
        place = self._place
        transform = place.grid.affine @ Affine.translation(window.col_off, window.row_off)
        x_min, _, _, y_max = block.bounds(place.tile)
        target = {
            "crs": place.tile.crs,
            "transform": from_origin(x_min, y_max, S1_M, S1_M),
            "width": block.cols,
            "height": block.rows,
        }
        pixels: Float | None = None
        for turn in place.turns(window):
            turned = Affine.translation(turn, 0) @ transform
            warped = _warp(power, place.grid.crs, turned, target)
            # GDAL leaves 0 where it finds no place in the raster.
            pixels = warped if pixels is None else np.where(pixels == 0, warped, pixels)
        assert pixels is not None  # noqa: S101 - there is a turn of 0
        return pixels


def _warp(power: Float, crs: str, transform: Affine, target: Mapping[str, Any]) -> Float:
    """Power on another grid, bilinearly; NaN where a neighbour is NaN, 0 outside."""
    count, height, width = power.shape
    with MemoryFile() as memory:
        # The window reaches beyond the raster, NaN there: GDAL would extrapolate its edge.
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype="float32",
            crs=crs,
            transform=transform,
            interleave="band",
            bigtiff="IF_SAFER",
        ) as source:
            source.write(power)
        with (
            memory.open(driver="GTiff") as source,
            WarpedVRT(
                source, resampling=Resampling.bilinear, tolerance=_TOLERANCE, **_WARP, **target
            ) as warped,
        ):
            pixels: Float = warped.read()
    return pixels


def open_rasters(row: SceneRow) -> dict[str, SceneRaster]:
    """The rasters of a scene by band, VV and VH, open.

    Raises:
        RasterError: one cannot be used, or their grids differ.
    """
    rasters = {
        band: SceneRaster(path, row.scale, row.nodata, row.zero_is_nodata)
        for band, path in row.rasters.items()
    }
    check_grids_equal(*rasters.values())
    return rasters
