"""What an image of one band must be: its size, type, CRS and place.

GDAL takes more than a millisecond to open a file. Among the GeoTIFFs of one maker, layer
and zone the header differs in the tie point alone, so one that GDAL found right vouches for
those that begin alike, and of these the tie point is read here. Whether the pixels are whole
is not looked at, by either. Source: TIFF 6.0, section 2; GeoTIFF 1.1, annex B (tag 33922).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from reben.runtime.errors import RasterError
from reben.storage.geotiff_tags import read_tags
from reben.storage.raster_files import GTIFF, open_image

_STRIP_OFFSETS, _TIE_POINT = 273, 33922
#: More than the header of any GeoTIFF of a patch.
_HEAD_BYTES = 1024


@dataclass(frozen=True)
class ImageForm:
    """What the images of one layer and zone have in common.

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
        """What is not as it should be, as ``EPSG code: expected 32633, found 32632``.

        Args:
            dataset: an open image.
            corner: easting and northing that its upper left corner must have.
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
    """Files that are known to be right but for their tie point, 16 bytes from `at` on."""

    before: bytes
    at: int
    after: bytes

    def place_of(self, head: bytes) -> tuple[float, float] | None:
        """Where a file with this beginning lies, or None if it is not one of them."""
        if not (head.startswith(self.before) and head.startswith(self.after, self.at + 16)):
            return None
        x_min, y_max = struct.unpack_from("<2d", head, self.at)
        return x_min, y_max


class FormChecker:
    """Checks GeoTIFFs of one form; safe to use from threads."""

    def __init__(self, form: ImageForm) -> None:
        self.form = form
        self._alike: _Alike | None = None

    def check(self, path: Path, corner: tuple[float, float]) -> None:
        """Check one file.

        Raises:
            RasterError: it is missing, unreadable, or not of this form and place.
        """
        try:
            with path.open("rb", buffering=0) as file:
                head = file.read(_HEAD_BYTES)
            if self._alike and self._alike.place_of(head) == corner:
                return
            with open_image(path, [GTIFF]) as dataset:
                flaw = self.form.flaw(dataset, corner)
        except (OSError, RasterioError, RasterError) as error:
            raise RasterError(f"{path}: expected a GeoTIFF: {error}") from error
        if flaw:
            raise RasterError(f"{path}: {flaw}")
        self._alike = _alike(head)


def _alike(head: bytes) -> _Alike | None:
    """What files like this one have in common; None if its header is not plain."""
    try:
        tags, end = read_tags(head)
        at = tags[_TIE_POINT].at + 24  # behind the raster's i, j, k
        pixels_at = tags[_STRIP_OFFSETS].values[0]
    except (KeyError, IndexError, ValueError):
        return None
    if not at + 16 <= end <= pixels_at <= len(head):
        return None
    return _Alike(head[:at], at, head[at + 16 : pixels_at])
