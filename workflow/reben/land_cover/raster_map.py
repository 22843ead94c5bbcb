"""One raster file of a land cover map, and its codes on the grid of a tile.

In: a GeoTIFF or VRT in any CRS. Out: codes at the centres of a tile's 10 m pixels, by nearest
neighbour: that of the map's pixel which holds the centre. Where both have the same CRS this is
array indexing; else GDAL warps, at most `TOLERANCE_PX` of a map's pixel beside the exact place.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from rasterio.windows import transform as transform_of

from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside
from reben.land_cover.pixel_values import NO_DATA, Codes, Pixels
from reben.runtime.errors import RasterError
from reben.storage.raster_files import GTIFF, VRT, open_image

#: GDAL's default of 0.125 moves pixels along the borders of classes, and takes as long.
TOLERANCE_PX = 0.001
#: Pixels that are read and made at a time: a quarter of a tile from a map of 10 m.
_READ_PX = 40_000_000
#: Points along each side of a part of a tile by which its place in the map is found, and pixels
#: beside it: more than its sides bend between two points.
_POINTS, _MARGIN_PX = 33, 4
#: Pixels of a tile across 180 degrees that are taken one by one; those beside them are warped.
_EXACT_PX, _ANTIMERIDIAN = 256**2, 180.0
#: GDAL decodes whole internal tiles.
_MAX_BLOCK_PX = 1 << 28

#: From pixels of a map to codes; `NO_DATA` where a value is nodata.
Translate = Callable[[Pixels], Codes]
#: Rows and columns of a tile.
Part = tuple[slice, slice]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RasterMap:
    """A raster file with land cover.

    Attributes:
        path: the file.
        crs: its coordinate reference system.
        transform: from its columns and rows to coordinates.
        width: pixels.
        height: pixels.
        nodata: the value that stands for no data, by the file.
        has_mask: whether a mask in the file says where there is data.
    """

    path: Path
    crs: rasterio.CRS
    transform: rasterio.Affine
    width: int
    height: int
    nodata: int | None
    has_mask: bool

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read what a file says of itself, and check that it can be a land cover map.

        Raises:
            RasterError: it is no GeoTIFF or plain VRT, has several bands, values that are not
                whole numbers, no CRS or no place.
        """
        with _open(path) as dataset:
            if flaw := _flaw(dataset):
                raise RasterError(f"{path}: {flaw}")
            value, limits = dataset.nodata, np.iinfo(dataset.dtypes[0])
            stored = value is not None and limits.min <= value <= limits.max and value % 1 == 0
            return cls(
                Path(path),
                dataset.crs,
                dataset.transform,
                dataset.width,
                dataset.height,
                int(value) if stored else None,
                MaskFlags.per_dataset in dataset.mask_flag_enums[0],
            )

    def pixel_m(self, square: TileSquare) -> float:
        """The longer side of the map's pixels in the middle of a tile, metres."""
        to_map = _transformer(square.crs, self.crs.to_wkt())
        x_min, y_min, x_max, y_max = square.bounds
        col, row = ~self.transform * to_map.transform((x_min + x_max) / 2, (y_min + y_max) / 2)
        corners = [self.transform * at for at in ((col, row), (col + 1, row), (col, row + 1))]
        east, north = np.transpose(corners)
        x, y = to_map.transform(east, north, direction="INVERSE")
        return float(np.hypot(x[1:] - x[0], y[1:] - y[0]).max())

    def codes(self, square: TileSquare, translate: Translate) -> Iterator[tuple[Part, Codes]]:
        """The codes at the centres of a tile's pixels, in parts; those beyond the map are left out.

        Args:
            square: the tile.
            translate: from values to codes.

        Yields:
            Rows and columns of a part of the tile, and its codes; `NO_DATA` beyond the map.

        Raises:
            RasterError: the file is damaged, or PROJ does not know the way to its CRS.
        """
        px = square.tile_px(REFERENCE_MAP_M)
        tile = _TileInMap(self, square)
        parts = list(tile.parts(slice(0, px), slice(0, px)))
        if not parts:  # of thousands of files, most are elsewhere
            return
        try:
            with _open(self.path) as dataset:
                for part, places in parts:
                    for place in places:
                        codes = translate(dataset.read(1, window=place.window))
                        if self.has_mask:
                            codes[dataset.read_masks(1, window=place.window) == 0] = NO_DATA
                        yield part, tile.take(codes, place, part)
        except RasterioError as error:
            raise RasterError(
                f"{self.path}: the file is damaged or incomplete ({error}); fetch it again"
            ) from error


def _open(path: str | os.PathLike[str]) -> DatasetReader:
    try:
        return open_image(path, [GTIFF, VRT])
    except (RasterError, RasterioError, OSError) as error:
        raise RasterError(
            f"{path}: expected a land cover map as a GeoTIFF, or a VRT of some: {error}"
        ) from error


def _flaw(dataset: DatasetReader) -> str | None:
    """Why a raster cannot be a land cover map."""
    dtype, block = np.dtype(dataset.dtypes[0]), dataset.block_shapes[0]
    if dataset.count != 1:
        return (
            f"expected one band of classes, found {dataset.count}; extract the band with the "
            "classes, as with gdal_translate -b"
        )
    if dtype.kind not in "iu":
        return (
            f"expected whole numbers, found {dtype.name}: shares and probabilities are no classes; "
            "if the values are classes, convert them, as with gdal_translate -ot Byte"
        )
    if dataset.crs is None or dataset.transform.is_identity or not dataset.transform.determinant:
        return (
            "expected a CRS and a place in the file itself, found none; write them into it, as "
            "with gdal_translate -a_srs EPSG:... -a_ullr ..."
        )
    if block[0] * block[1] > _MAX_BLOCK_PX:
        return (
            f"expected internal tiles of at most {_MAX_BLOCK_PX} px, found {block[1]} x "
            f"{block[0]}; convert it, as with gdal_translate -of COG"
        )
    return None


@lru_cache(maxsize=256)
def _transformer(crs: str, other: str) -> Transformer:
    try:
        return Transformer.from_crs(crs, other, always_xy=True)
    except (CRSError, ProjError) as error:
        raise RasterError(
            f"PROJ knows no way from {crs} to the CRS of a land cover map ({error}): {other}; "
            "reproject the map, as with gdalwarp -r near -t_srs"
        ) from error


class _Place(NamedTuple):
    """Where a part of a tile lies in a map.

    Attributes:
        window: of the map.
        turn: degrees from the longitudes of PROJ to those of the map.
        crosses_180: whether the longitudes of PROJ jump in it.
    """

    window: Window
    turn: int = 0
    crosses_180: bool = False


@dataclass(frozen=True)
class _TileInMap:
    """A tile, as seen from a map."""

    map: RasterMap
    square: TileSquare

    def parts(self, rows: slice, cols: slice) -> Iterator[tuple[Part, list[_Place]]]:
        """Parts of the tile, and where each lies in the map: in one place, or at both its ends."""
        places = self._places(rows, cols)
        px = (rows.stop - rows.start) * (cols.stop - cols.start)
        if places is None or any(self._is_large(place, px) for place in places):
            for some_rows in _halves(rows) if px > 1 else []:
                for some_cols in _halves(cols):
                    yield from self.parts(some_rows, some_cols)
        elif places:
            yield (rows, cols), places

    def _is_large(self, place: _Place, px: int) -> bool:
        """Whether a part is better taken in smaller ones."""
        read = place.window.width * place.window.height
        limit = _EXACT_PX if place.crosses_180 else _READ_PX
        return px > 1 and (read > _READ_PX or px > limit)

    def _places(self, rows: slice, cols: slice) -> list[_Place] | None:
        """Where pixels of the tile lie in the map; None where only some of them have a place."""
        x, y = self._x(cols), self._y(rows)
        along_x, along_y = (np.linspace(at[0], at[-1], _POINTS) for at in (x, y))
        east, north = self._to_map.transform(
            np.concatenate([along_x, along_x, np.repeat(x[[0, -1]], _POINTS)]),
            np.concatenate([np.repeat(y[[0, -1]], _POINTS), along_y, along_y]),
        )
        there = np.isfinite(east) & np.isfinite(north)
        if not there.all():
            return None if there.any() else []
        if not self.map.crs.is_geographic:
            windows = [(self._window(east, north), 0)]
            return [_Place(window) for window, _ in windows if window]
        crosses_180 = bool(np.ptp(east) > 180)
        east = beside(east, _ANTIMERIDIAN) if crosses_180 else east
        windows = [(self._window(east + turn, north), turn) for turn in (-360, 0, 360)]
        return [_Place(window, turn, crosses_180) for window, turn in windows if window]

    def _window(self, east: _Floats, north: _Floats) -> Window | None:
        """The window of the map that holds some places."""
        col, row = ~self.map.transform * (east, north)
        left, top = (max(0, int(np.floor(at.min())) - _MARGIN_PX) for at in (col, row))
        right = min(self.map.width, int(np.ceil(col.max())) + _MARGIN_PX)
        bottom = min(self.map.height, int(np.ceil(row.max())) + _MARGIN_PX)
        if left >= right or top >= bottom:
            return None
        return Window(left, top, right - left, bottom - top)

    @property
    def _to_map(self) -> Transformer:
        return _transformer(self.square.crs, self.map.crs.to_wkt())

    def _x(self, cols: slice) -> _Floats:
        """Eastings of the centres of the tile's pixels."""
        centres: _Floats = np.arange(cols.start, cols.stop) + 0.5
        return self.square.x_min + centres * REFERENCE_MAP_M

    def _y(self, rows: slice) -> _Floats:
        """Northings of the same."""
        centres: _Floats = np.arange(rows.start, rows.stop) + 0.5
        return self.square.y_max - centres * REFERENCE_MAP_M

    def take(self, codes: Codes, place: _Place, part: Part) -> Codes:
        """The codes of a part of the tile, from those of its place in the map."""
        transform = transform_of(place.window, self.map.transform)
        rows, cols = part
        x, y = self._x(cols), self._y(rows)
        if place.crosses_180:  # GDAL would not see that both sides meet
            east, north = self._to_map.transform(*np.meshgrid(x, y))
            return _index(codes, transform, beside(east, _ANTIMERIDIAN) + place.turn, north)
        crs = rasterio.CRS.from_user_input(self.square.crs)
        if self.map.crs == crs:
            return _index(codes, transform, *np.meshgrid(x, y, sparse=True))
        corner = x[0] - REFERENCE_MAP_M / 2, y[0] + REFERENCE_MAP_M / 2
        return _warp(
            codes,
            (self.map.crs, rasterio.Affine.translation(-place.turn, 0) * transform),
            (crs, from_origin(*corner, REFERENCE_MAP_M, REFERENCE_MAP_M)),
            (len(y), len(x)),
        )


def _halves(at: slice) -> list[slice]:
    middle = (at.start + at.stop + 1) // 2
    return [
        half for half in (slice(at.start, middle), slice(middle, at.stop)) if half.start < half.stop
    ]


def _index(codes: Codes, transform: rasterio.Affine, x: _Floats, y: _Floats) -> Codes:
    """Codes of a raster at places of the same CRS.

    Args:
        codes: (height, width).
        transform: theirs.
        x: (rows, columns) or (1, columns) of the places.
        y: (rows, columns) or (rows, 1) of the places.
    """
    height, width = codes.shape
    if transform.b == transform.d == 0:  # rows and columns by themselves
        col, row = (x - transform.c) / transform.a, (y - transform.f) / transform.e
    else:
        col, row = ~transform * (x, y)
    col, row = np.floor(col).astype(np.intp), np.floor(row).astype(np.intp)
    inside = (col >= 0) & (col < width) & (row >= 0) & (row < height)
    found = codes[row.clip(0, height - 1), col.clip(0, width - 1)]
    return np.where(inside, found, np.uint16(NO_DATA))


def _warp(
    codes: Codes,
    source: tuple[rasterio.CRS, rasterio.Affine],
    target: tuple[rasterio.CRS, rasterio.Affine],
    shape: tuple[int, int],
) -> Codes:
    """Codes in another CRS, by nearest neighbour.

    Through a file in memory, since in rasterio only a `WarpedVRT` takes a tolerance.
    """
    height, width = codes.shape
    with MemoryFile() as memory:
        with memory.open(
            driver=GTIFF, width=width, height=height, count=1, dtype="uint16", nodata=NO_DATA,
            crs=source[0], transform=source[1],
        ) as dataset:  # fmt: skip
            dataset.write(codes, 1)
        with (
            memory.open(driver=GTIFF) as dataset,
            WarpedVRT(
                dataset, crs=target[0], transform=target[1], height=shape[0], width=shape[1],
                resampling=Resampling.nearest, tolerance=TOLERANCE_PX, SOURCE_EXTRA=_MARGIN_PX,
            ) as warped,
        ):  # fmt: skip
            found: Codes = warped.read(1)
            return found
