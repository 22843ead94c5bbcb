"""A geocoded raster of one polarisation of a Sentinel-1 scene.

In: a GeoTIFF or ENVI image in any CRS and grid, with decibels, power or amplitude. Out: its grid;
windows of it as linear power or decibels, NaN where there are no data.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from reben.runtime.errors import RasterError
from reben.storage.envi_file import is_envi, open_envi
from reben.storage.raster_files import GTIFF, check_blocks, open_image

#: From here on it is said that pixels are coarse: BigEarthNet-S1 was made at 10 m.
COARSE_M = 15.0
_TEN_OVER_LN = 10 / np.log(10)
#: Too few pixels for a judgement on the scale.
_FEW_PX = 100
#: Median of calibrated backscatter as power and as amplitude, roughly where they part.
_AMPLITUDE_FROM, _NUMBERS_FROM = 0.13, 5.0

Float = NDArray[np.float32]


@dataclass(frozen=True)
class RasterGrid:
    """Where the pixels of a raster are.

    Attributes:
        crs: as WKT.
        transform: from (column, row) to (x, y), as a tuple of six.
        width: columns.
        height: rows.
    """

    crs: str
    transform: tuple[float, ...]
    width: int
    height: int

    def to_dict(self) -> dict[str, Any]:
        """The grid as plain JSON."""
        return {**vars(self), "transform": list(self.transform)}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "RasterGrid":
        """The grid as returned by `to_dict`."""
        return RasterGrid(**value | {"transform": tuple(value["transform"])})

    @property
    def affine(self) -> Affine:
        """The transform."""
        return Affine(*self.transform)

    @property
    def spacing_m(self) -> float:
        """The longer side of a pixel in the middle of the raster, metres on the ground."""
        col, row = self.width / 2, self.height / 2
        places = [self.affine @ at for at in ((col, row), (col + 1, row), (col, row + 1))]
        ground = pyproj.Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
        x, y = ground.transform(*np.transpose(places))
        geod = pyproj.Geod(ellps="WGS84")
        return float(max(geod.inv(x[0], y[0], x[side], y[side])[2] for side in (1, 2)))


class SceneRaster:
    """An open raster. Not thread-safe.

    Args:
        path: a GeoTIFF, or an ENVI image (``.img`` beside ``.hdr``).
        scale: ``db``, ``power`` or ``amplitude``.
        nodata: value without data, or None for the one that the raster declares.
        zero_is_nodata: whether 0 is without data as well.

    Raises:
        RasterError: it is unreadable, is not geocoded, or has several bands or another type.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        scale: str,
        nodata: float | None = None,
        zero_is_nodata: bool = False,
    ) -> None:
        self.path, self.scale, self._zero = path, scale, zero_is_nodata
        try:
            self._dataset = open_envi(path) if is_envi(path) else open_image(path, [GTIFF])
        except (OSError, RasterioError, RasterError) as error:
            raise RasterError(
                f"{path}: expected a GeoTIFF or an ENVI image of one polarisation: {error}; "
                "correct the scene table, or make the raster again"
            ) from error
        check_blocks(self._dataset)
        self._nodata = self._dataset.nodata if nodata is None else nodata
        self.grid = self._check_grid()

    def _check_grid(self) -> RasterGrid:
        dataset = self._dataset
        if dataset.count != 1:
            raise RasterError(
                f"{self.path}: expected one band, found {dataset.count}; write each polarisation "
                "to a file of its own (gdal_translate -b)"
            )
        if np.dtype(dataset.dtypes[0]).kind not in "iuf":
            raise RasterError(
                f"{self.path}: expected real numbers, found {dataset.dtypes[0]}; take the "
                "calibrated backscatter of a GRD product"
            )
        if (dataset.scales[0], dataset.offsets[0]) != (1, 0):
            raise RasterError(
                f"{self.path}: its values are stored with a factor {dataset.scales[0]} and an "
                f"offset {dataset.offsets[0]}; write plain ones (gdal_translate -unscale -ot "
                "Float32)"
            )
        if dataset.crs is None or dataset.transform.is_identity:
            raise RasterError(
                f"{self.path}: expected a geocoded raster, found one without "
                f"{'a CRS' if dataset.crs is None else 'a place'}; apply terrain correction first"
            )
        try:
            crs = pyproj.CRS.from_wkt(dataset.crs.to_wkt()).to_wkt()
        except CRSError as error:
            raise RasterError(f"{self.path}: its CRS is not usable ({error})") from error
        return RasterGrid(crs, tuple(dataset.transform)[:6], dataset.width, dataset.height)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def read(self, window: Window) -> Float:
        """The values of a window as they are, NaN where there are no data: (height, width).

        Args:
            window: columns and rows; what lies beyond the raster is NaN.

        Raises:
            RasterError: the file is damaged.
        """
        values = np.full((window.height, window.width), np.nan, np.float32)
        left, top = max(0, window.col_off), max(0, window.row_off)
        right = min(self.grid.width, window.col_off + window.width)
        bottom = min(self.grid.height, window.row_off + window.height)
        if left >= right or top >= bottom:
            return values
        inside = Window(left, top, right - left, bottom - top)
        try:
            pixels = self._dataset.read(1, window=inside)
        except RasterioError as error:
            raise RasterError(
                f"{self.path}: reading fails in rows {top} to {bottom}: the file is truncated or "
                f"damaged ({error}); make it again"
            ) from error
        part = pixels.astype(np.float32)
        absent = ~np.isfinite(part)
        if self._nodata is not None:
            absent |= pixels == self._nodata
        if self._zero:
            absent |= pixels == 0
        part[absent] = np.nan
        rows = slice(top - window.row_off, bottom - window.row_off)
        values[rows, left - window.col_off : right - window.col_off] = part
        return values

    def power(self, values: Float) -> Float:
        """Values of the raster as linear power."""
        if self.scale == "amplitude":
            return np.square(values)
        if self.scale == "db":
            # In double precision, whose last bits differ between machines without any effect.
            power: Float = np.exp(values.astype(np.float64) / _TEN_OVER_LN).astype(np.float32)
            return power
        return values

    def decibels(self, values: Float) -> Float:
        """Values of the raster as decibels; decibels stay what they are, bit by bit."""
        return values if self.scale == "db" else to_decibels(self.power(values))


def to_decibels(power: Float) -> Float:
    """Linear power as decibels: NaN where it is 0 or NaN."""
    wide = power.astype(np.float64)
    wide[~(wide > 0)] = np.nan
    decibels: Float = (np.log(wide) * _TEN_OVER_LN).astype(np.float32)
    return decibels


def check_grids_equal(one: SceneRaster, other: SceneRaster) -> None:
    """Check that two polarisations share their grid.

    Raises:
        RasterError: they do not.
    """
    for what in ("crs", "transform", "width", "height"):
        expected, found = getattr(one.grid, what), getattr(other.grid, what)
        if expected != found:
            raise RasterError(
                f"{other.path}: expected the grid of {one.path}, found another {what}: {found} "
                f"and not {expected}; VV and VH of a scene must come from the same run"
            )


@dataclass
class ScaleCheck:
    """Whether the values of a raster can be of the scale that the table says.

    Attributes:
        path: the raster.
        scale: as the table has it.
    """

    path: str | os.PathLike[str]
    scale: str
    _valid: int = 0
    _negative: int = 0
    _median: float = np.nan

    def note(self, values: Float) -> None:
        """Count values, NaN where there are no data."""
        finite = values[np.isfinite(values)]
        self._valid += finite.size
        self._negative += int(np.count_nonzero(finite < 0))
        if finite.size and np.isnan(self._median):
            self._median = float(np.median(finite[:: max(1, finite.size // 10_000)]))

    def flaw(self) -> str | None:
        """What speaks against the scale, with the likely one; None if nothing does."""
        if self.scale != "db" and self._negative:
            share = self._negative / self._valid
            likely = "they are likely db" if share > 0.5 else _NEGATIVE_POWER
            return (
                f"{self.path}: the scale is {self.scale}, but {self._negative} of {self._valid} "
                f"pixels are below 0; {likely}"
            )
        if self.scale == "db" and self._valid >= _FEW_PX and not self._negative:
            likely = "power" if self._median < _AMPLITUDE_FROM else "amplitude or power"
            if self._median > _NUMBERS_FROM:
                likely = "amplitude, not calibrated"
            return (
                f"{self.path}: the scale is db, but none of {self._valid} pixels is below 0; they "
                f"are likely {likely}"
            )
        return None


_NEGATIVE_POWER = (
    "power has none: noise that was subtracted or cubic resampling leaves them, so resample "
    "bilinearly, or set such pixels to nodata"
)
