"""Check the size, type, CRS and place of single-band images.

GDAL takes more than a millisecond to open a file. Among the GeoTIFFs of one maker, layer
and zone the header differs in the tie point alone, so one that GDAL found right vouches for
those that begin alike, and of these the tie point is read here, and the size of the file held
against where its pixels end. Of a file that is not as plain, GDAL reads the pixels.
Source: TIFF 6.0, sections 2 and 3; GeoTIFF 1.1, annex B (tag 33922).
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from reben.runtime.errors import RasterError
from reben.storage.geotiff_tags import read_tags
from reben.storage.raster_files import GTIFF, check_blocks, open_image

_STRIP_OFFSETS, _STRIP_BYTES, _TIE_POINT = 273, 279, 33922
#: More than the header of any GeoTIFF of a patch.
_HEAD_BYTES = 1024


@dataclass(frozen=True)
class ImageForm:
    """Properties shared by the images of one layer and zone.

    Attributes:
        size_px: width and height.
        epsg: UTM zone.
        resolution_m: pixel size.
        dtype: numpy name of the pixels' type.
    """

    size_px: int
    epsg: int
    resolution_m: int
    dtype: str

    def flaw(self, dataset: rasterio.io.DatasetReader, corner: tuple[float, float]) -> str | None:
        """The differences, such as ``EPSG code: expected 32633, found 32632``.

        Args:
            dataset: an open image.
            corner: expected easting and northing of its upper left corner.
        """
        place = dataset.transform
        pixel = (self.resolution_m, self.resolution_m)
        epsg = dataset.crs.to_epsg() if dataset.crs else None
        for name, expected, found in (
            ("size in pixels", (self.size_px, self.size_px), dataset.shape),
            ("EPSG code", self.epsg, epsg),
            (
                "corner and pixel size in metres",
                (*corner, *pixel),
                (place.c, place.f, place.a, -place.e),
            ),
            ("type", (self.dtype,), dataset.dtypes),
        ):
            if expected != found:
                return f"{name}: expected {expected}, found {found}"
        return None


@dataclass(frozen=True)
class _Alike:
    """Files that are known to be right but for their tie point, 16 bytes from `at` on.

    Their pixels end at byte `end`.
    """

    before: bytes
    at: int
    after: bytes
    end: int

    def place_of(self, head: bytes) -> tuple[float, float] | None:
        """The place of a file with this header, or None if it is not one of them."""
        if not (head.startswith(self.before) and head.startswith(self.after, self.at + 16)):
            return None
        x_min, y_max = struct.unpack_from("<2d", head, self.at)
        return x_min, y_max


class FormChecker:
    """Checks GeoTIFFs of one form; thread-safe."""

    def __init__(self, form: ImageForm) -> None:
        self.form = form
        self._alike: _Alike | None = None

    def check(self, path: Path, corner: tuple[float, float]) -> None:
        """Check one file.

        Raises:
            RasterError: it is missing, unreadable, or does not have this form and place.
        """
        try:
            with path.open("rb", buffering=0) as file:
                head = file.read(_HEAD_BYTES)
                size = os.fstat(file.fileno()).st_size
            if self._alike and self._alike.place_of(head) == corner:
                _check_end(path, self._alike, size)
                return
            alike = _alike(head)
            with open_image(path, [GTIFF]) as dataset:
                flaw = self.form.flaw(dataset, corner)
                if not flaw and alike is None:
                    check_blocks(dataset)
                    dataset.read(1)
        except (OSError, RasterioError, RasterError) as error:
            raise RasterError(f"{path}: expected a GeoTIFF: {error}") from error
        if flaw:
            raise RasterError(f"{path}: {flaw}")
        if alike is not None:
            _check_end(path, alike, size)
        self._alike = alike


def _check_end(path: Path, alike: _Alike, size: int) -> None:
    if size < alike.end:
        raise RasterError(
            f"{path}: expected {alike.end} bytes, found {size}: the file is cut off, as by a full "
            "disk or a download that broke off"
        )


def _alike(head: bytes) -> _Alike | None:
    """The shared part of files like this one; None if its header is not simple."""
    try:
        tags, end = read_tags(head)
        at = tags[_TIE_POINT].at + 24  # behind the raster's i, j, k
        offsets, counts = tags[_STRIP_OFFSETS].values, tags[_STRIP_BYTES].values
        pixels_at = min(offsets)
    except (KeyError, IndexError, ValueError):
        return None
    if not at + 16 <= end <= pixels_at <= len(head):
        return None
    if len(offsets) != len(counts):
        return None
    end = max(map(sum, zip(offsets, counts, strict=True)))
    return _Alike(head[:at], at, head[at + 16 : pixels_at], end)
