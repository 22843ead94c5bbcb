"""Write GeoTIFFs of patches from a header that GDAL made once.

Files of one band in one UTM zone differ only in the tie point and the pixels. So GDAL
writes one such file to memory, and every patch gets its header with a new tie point: the
same bytes as from rasterio, at the cost of writing a plain file.
Source of the layout: TIFF 6.0, section 2; GeoTIFF 1.1, annex B (tag 33922).
"""

import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from reben.runtime.errors import RasterError
from reben.storage.geotiff_tags import read_tags

_TIE_POINT = 33922
_STRIP_OFFSETS = 273
_STRIP_BYTE_COUNTS = 279


@dataclass(frozen=True)
class Profile:
    """Properties shared by the files of one band in one zone.

    Attributes:
        epsg: UTM zone.
        size_px: width and height.
        resolution_m: pixel size.
        dtype: numpy name, little-endian on disk.
        nodata: declared nodata value, or None.
        deflate: compress with deflate, one strip; otherwise uncompressed.
    """

    epsg: int
    size_px: int
    resolution_m: int
    dtype: str = "uint16"
    nodata: int | None = 0
    deflate: bool = False


@dataclass(frozen=True)
class Template:
    """A GeoTIFF header, with the offsets where it differs between patches.

    Attributes:
        header: everything before the pixels.
        tie_point_at: offset of the easting and northing (two float64) in `header`.
        byte_count_at: offset of the strip's byte count in `header`; deflate only.
    """

    header: bytes
    tie_point_at: int
    byte_count_at: int

    def at(self, x_min: float, y_max: float) -> bytes:
        """The header of an uncompressed patch whose upper left corner is (x_min, y_max)."""
        place = struct.pack("<2d", x_min, y_max)
        start = self.tie_point_at
        return self.header[:start] + place + self.header[start + len(place) :]

    def deflated(self, x_min: float, y_max: float, pixels: NDArray[np.generic]) -> bytes:
        """A complete file with `pixels` (size_px, size_px) compressed into one strip."""
        strip = zlib.compress(pixels.tobytes(), 6)
        header = bytearray(self.at(x_min, y_max))
        struct.pack_into("<I", header, self.byte_count_at, len(strip))
        return bytes(header) + strip


def gdal_options(profile: Profile) -> dict[str, object]:
    """The arguments of `rasterio.open` to write such a file."""
    options: dict[str, object] = {
        "driver": "GTiff",
        "width": profile.size_px,
        "height": profile.size_px,
        "count": 1,
        "dtype": profile.dtype,
        "nodata": profile.nodata,
        "crs": f"EPSG:{profile.epsg}",
    }
    if profile.deflate:
        options |= {"compress": "deflate", "blockysize": profile.size_px}
    return options


@cache
def template(profile: Profile) -> Template:
    """Make GDAL write one file with this profile and return its header.

    Raises:
        RasterError: this GDAL writes a layout that cannot be used as a template.
    """
    origin = (500_000.0, 5_000_000.0)
    # Incompressible pixels, so that a compressed strip needs a 4-byte count here too.
    shape = (profile.size_px, profile.size_px)
    pixels = np.random.default_rng(0).integers(1, 255, shape).astype(profile.dtype)
    with MemoryFile() as memory:
        transform = from_origin(*origin, profile.resolution_m, profile.resolution_m)
        with memory.open(**gdal_options(profile), transform=transform) as dataset:
            dataset.write(pixels, 1)
        data = bytes(memory.getbuffer())
    tags, _ = read_tags(data)
    tie_point_at = tags[_TIE_POINT].at + 3 * 8  # behind the raster's i, j, k
    pixels_at = tags[_STRIP_OFFSETS].values[0]
    if not profile.deflate:
        pixels_at = len(data) - pixels.nbytes
    if struct.unpack_from("<2d", data, tie_point_at) != origin or not (
        profile.deflate or data[pixels_at:] == pixels.tobytes()
    ):
        raise RasterError(
            f"this GDAL writes GeoTIFFs of {profile} in an unknown layout; use the pinned version"
        )
    return Template(data[:pixels_at], tie_point_at, tags[_STRIP_BYTE_COUNTS].at)
