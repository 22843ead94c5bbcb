"""Read the pixels of a patch's GeoTIFF, without GDAL if the file is as simple as ours.

In: files of one layer. Out: their pixels, little-endian, rows from the top, in a buffer.

Patch files consist of a short header and then all pixels. For one layer and zone, headers
differ only in the tie point, so a header that was parsed once is recognised by comparison,
and one `readv` puts the pixels in place. Any other file (compressed, tiled, big-endian,
several bands, an unknown tag, trailing bytes) is read with GDAL. Source of the layout:
TIFF 6.0, sections 3 and 8.
"""

import zlib
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from reben.runtime.errors import RasterError
from reben.storage.geotiff_tags import read_tags
from reben.storage.patch_files import PatchReader
from reben.storage.raster_files import check_blocks

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _STRIP_OFFSETS = 256, 257, 258, 259, 273
_SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _SAMPLE_FORMAT = 277, 278, 279, 339
_TIE_POINT, _TIE_POINT_BYTES = 33922, 48
#: Tags that `_parse` reads in addition to those with one expected value.
_PLACES = {_COMPRESSION, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES, _TIE_POINT}
#: No predictor, zero is black, samples of a pixel stored together.
_ONE_OR_ABSENT = (317, 262, 284)
#: Tags that do not affect pixels: pixel scale, GeoTIFF keys, GDAL's metadata and nodata.
_HARMLESS = {33550, 34735, 34736, 34737, 42112, 42113}
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
_UNCOMPRESSED, _DEFLATE = 1, 8
#: What a file may hold beside its pixels: overviews, masks, tiles that reach over the edge.
_MAX_BESIDE_BYTES = 16 << 20


@dataclass(frozen=True)
class _Plain:
    """A classic little-endian TIFF of one band whose pixels are contiguous.

    Attributes:
        pixels_at: offset of the first pixel, where the header ends.
        deflate: whether the pixels are one deflated strip.
        tie_point_at: offset of the tie point, 48 bytes.
    """

    pixels_at: int
    deflate: bool
    tie_point_at: int


class LayerReader:
    """Reads files of one layer; thread-safe.

    Attributes:
        size_px: expected width and height.
        dtype: expected pixel type.
        nbytes: bytes of pixels in one file.
    """

    def __init__(self, size_px: int, dtype: str) -> None:
        self.size_px = size_px
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.nbytes = size_px * size_px * self.dtype.itemsize
        self._known: list[tuple[bytes, int]] = []  # headers and the offsets of their tie points

    def read(self, store: PatchReader, folder: str, layer: str, out: memoryview) -> None:
        """Put the pixels of one file into `out` (nbytes).

        Raises:
            RasterError: the file is missing, short, not an image, or has the wrong size or type.
        """
        for i, (header, at) in enumerate(self._known):
            head, tail = bytearray(len(header)), bytearray(1)
            count = store.read_into(folder, layer, (head, out, tail))
            head[at : at + _TIE_POINT_BYTES] = header[at : at + _TIE_POINT_BYTES]
            if count == len(header) + self.nbytes and head == header:
                if i:
                    self._remember(header, at)
                return
        data = store.read(folder, layer, 2 * self.nbytes + _MAX_BESIDE_BYTES)
        plain = self._parse(data)
        if plain is None:
            out[:] = self._decode(data, store.path(folder, layer))
        elif plain.deflate:
            out[:] = self._inflate(data, plain, store.path(folder, layer))
        else:
            out[:] = data[plain.pixels_at :]
            self._remember(data[: plain.pixels_at], plain.tie_point_at)

    def _remember(self, header: bytes, tie_point_at: int) -> None:
        """Try this header first from now on; drop the fourth last of other zones and writers."""
        others = [known for known in self._known if known[0] != header]
        self._known = [(header, tie_point_at), *others[:3]]

    def _parse(self, data: bytes) -> _Plain | None:
        """Offset of the pixels, or None unless the file is known to be simple."""
        try:
            tags, tags_end = read_tags(data)
            offsets, counts = tags[_STRIP_OFFSETS].values, tags[_STRIP_BYTES].values
            first = offsets[0]
            tie_point = tags[_TIE_POINT]
            (rows,) = tags[_ROWS_PER_STRIP].values
            (compression,) = tags[_COMPRESSION].values
        except (KeyError, IndexError, ValueError):
            return None
        expected = {
            _WIDTH: self.size_px,
            _HEIGHT: self.size_px,
            _BITS: 8 * self.dtype.itemsize,
            _SAMPLES: 1,
            _SAMPLE_FORMAT: _SAMPLE_FORMATS[self.dtype.kind],
        }
        expected |= {tag: 1 for tag in _ONE_OR_ABSENT if tag in tags}
        if tags.keys() != expected.keys() | _PLACES | (_HARMLESS & tags.keys()) or any(
            tags[tag].values != (value,) for tag, value in expected.items()
        ):
            return None
        row_bytes = self.nbytes // self.size_px
        strips = tuple(
            min(rows, self.size_px - row) * row_bytes
            for row in range(0, self.size_px, max(rows, 1))
        )
        starts = tuple(accumulate(counts, initial=first))
        in_one_piece = tags_end <= first and starts == (*offsets, len(data))
        deflate = compression == _DEFLATE and len(strips) == 1
        if not in_one_piece or tie_point.nbytes != _TIE_POINT_BYTES:
            return None
        if not deflate and (compression != _UNCOMPRESSED or counts != strips):
            return None
        return _Plain(first, deflate, tie_point.at)

    def _inflate(self, data: bytes, plain: _Plain, path: str) -> bytes:
        stream = zlib.decompressobj()
        try:
            pixels = stream.decompress(data[plain.pixels_at :], self.nbytes + 1)
        except zlib.error as error:
            raise RasterError(
                f"{path}: damaged pixels ({error}); fetch or make it again"
            ) from error
        if len(pixels) != self.nbytes or not stream.eof:
            raise RasterError(
                f"{path}: expected {self.nbytes} bytes of pixels, found "
                f"{len(pixels) if stream.eof else 'more, or an unfinished stream'}; "
                "fetch or make it again"
            )
        return pixels

    def _decode(self, data: bytes, path: str) -> bytes:
        """Let GDAL read a file of any kind."""
        try:
            if not data:  # rasterio would open it for writing
                raise RasterioError("it is empty")
            with MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
                found = (dataset.count, dataset.height, dataset.width, dataset.dtypes[0])
                expected = (1, self.size_px, self.size_px, self.dtype.name)
                if found != expected:
                    raise RasterError(
                        f"{path}: expected (bands, height, width, type) {expected}, found {found}"
                    )
                check_blocks(dataset)
                return dataset.read(1).astype(self.dtype, copy=False).tobytes()  # type: ignore[no-any-return]
        except RasterioError as error:
            raise RasterError(
                f"{path}: expected an image of {self.size_px} x {self.size_px} {self.dtype.name}, "
                f"found {len(data)} bytes that GDAL cannot read ({error}); fetch or make it again"
            ) from error
