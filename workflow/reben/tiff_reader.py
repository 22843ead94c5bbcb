"""The pixels of a patch's GeoTIFF, without GDAL where the file is as plain as ours.

In: files of one layer. Out: their pixels, little-endian, rows from the top, in a buffer.

The files of patches hold a short header and then all pixels. Among those of one layer
and zone the header differs in the tie point alone, so a header that was parsed once is
recognised by comparison, and one `readv` puts the pixels in their place. A file that is
anything else (compressed, tiled, big-endian, several bands, an unknown tag, trailing
bytes) goes through GDAL. Source of the layout: TIFF 6.0, sections 2, 3 and 8.
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from reben.errors import RasterError
from reben.patch_store import PatchReader

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _STRIP_OFFSETS = 256, 257, 258, 259, 273
_SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PREDICTOR, _SAMPLE_FORMAT = 277, 278, 279, 317, 339
_TIE_POINT, _TIE_POINT_BYTES = 33922, 48
#: Tags that say nothing about how the pixels are stored: photometric interpretation,
#: planar configuration (of one sample), pixel scale, GeoTIFF keys, GDAL's metadata and nodata.
_HARMLESS = {262, 284, 33550, _TIE_POINT, 34735, 34736, 34737, 42112, 42113}
_KINDS = {1: "B", 3: "H", 4: "I"}
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
_UNCOMPRESSED, _DEFLATE = 1, 8
_NO_PREDICTOR = 1


@dataclass(frozen=True)
class _Plain:
    """A classic little-endian TIFF of one band whose pixels lie in one piece.

    Attributes:
        pixels_at: offset of the first pixel, where the header ends.
        pixels_end: offset behind the last one.
        deflate: the piece is one deflated strip.
        tie_point_at: offset of the tie point, 48 bytes.
    """

    pixels_at: int
    pixels_end: int
    deflate: bool
    tie_point_at: int


class LayerReader:
    """Reads files of one layer; safe to use from threads.

    Attributes:
        size_px: width and height that they must have.
        dtype: pixel type that they must have.
        nbytes: bytes of pixels in one file.
    """

    def __init__(self, size_px: int, dtype: str) -> None:
        self.size_px = size_px
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.nbytes = size_px * size_px * self.dtype.itemsize
        self._known: list[tuple[bytes, int]] = []  # headers and where their tie point is

    def read(self, store: PatchReader, folder: str, layer: str, out: memoryview) -> None:
        """Put the pixels of one file into `out` (nbytes).

        Raises:
            RasterError: the file is missing, short, no image, or of another size or type.
        """
        for i, (header, at) in enumerate(self._known):
            head, tail = bytearray(len(header)), bytearray(1)
            count = store.read_into(folder, layer, (head, out, tail))
            head[at : at + _TIE_POINT_BYTES] = header[at : at + _TIE_POINT_BYTES]
            if count == len(header) + self.nbytes and head == header:
                if i:
                    self._remember(header, at)
                return
        data = store.read(folder, layer)
        plain = self._parse(data)
        if plain is None:
            out[:] = self._decode(data, store.path(folder, layer))
        elif plain.deflate:
            out[:] = self._inflate(data, plain, store.path(folder, layer))
        else:
            out[:] = data[plain.pixels_at :]
            self._remember(data[: plain.pixels_at], plain.tie_point_at)

    def _remember(self, header: bytes, tie_point_at: int) -> None:
        """Try this header first from now on; forget the fourth last of other zones and makers."""
        others = [known for known in self._known if known[0] != header]
        self._known = [(header, tie_point_at), *others[:3]]

    def _parse(self, data: bytes) -> _Plain | None:
        """Where the pixels are, or None unless the file is known to be plain."""
        try:
            tags, next_directory = _tags(data)
            offsets, counts = tags.pop(_STRIP_OFFSETS)[1], tags.pop(_STRIP_BYTES)[1]
            (rows,) = tags.pop(_ROWS_PER_STRIP)[1]
            (compression,) = tags.pop(_COMPRESSION)[1]
            (predictor,) = tags.pop(_PREDICTOR, (0, (_NO_PREDICTOR,)))[1]
            tie_point_at, tie_point = tags[_TIE_POINT]
        except (struct.error, KeyError, ValueError):
            return None
        expected = {
            _WIDTH: self.size_px,
            _HEIGHT: self.size_px,
            _BITS: 8 * self.dtype.itemsize,
            _SAMPLES: 1,
            _SAMPLE_FORMAT: _SAMPLE_FORMATS[self.dtype.kind],
        }
        rows = min(rows, self.size_px)
        deflate = compression == _DEFLATE
        if (
            next_directory
            or tags.keys() - _HARMLESS != expected.keys()
            or any(tags[tag][1] != (value,) for tag, value in expected.items())
            or compression not in (_UNCOMPRESSED, _DEFLATE)
            or predictor != _NO_PREDICTOR
            or len(tie_point) != _TIE_POINT_BYTES
            or rows < 1
            or len(offsets) != len(counts)
            or (deflate and len(offsets) != 1)
        ):
            return None
        if not deflate:
            row_bytes = self.nbytes // self.size_px
            left = [self.size_px - first for first in range(0, self.size_px, rows)]
            if list(counts) != [min(rows, n) * row_bytes for n in left]:
                return None
        ends = [offset + count for offset, count in zip(offsets, counts, strict=True)]
        if ends[:-1] != list(offsets[1:]) or ends[-1] != len(data):
            return None
        if tie_point_at + _TIE_POINT_BYTES > offsets[0]:
            return None
        return _Plain(offsets[0], ends[-1], deflate, tie_point_at)

    def _inflate(self, data: bytes, plain: _Plain, path: str) -> bytes:
        stream = zlib.decompressobj()
        try:
            pixels = stream.decompress(data[plain.pixels_at :], self.nbytes + 1)
        except zlib.error as error:
            raise RasterError(
                f"{path}: damaged pixels ({error}); fetch or make it again"
            ) from error
        if len(pixels) != self.nbytes:
            raise RasterError(
                f"{path}: expected {self.nbytes} bytes of pixels, found "
                f"{'more' if len(pixels) > self.nbytes else len(pixels)}; fetch or make it again"
            )
        return pixels

    def _decode(self, data: bytes, path: str) -> bytes:
        """Let GDAL read a file of any kind."""
        try:
            with MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
                found = (dataset.count, dataset.height, dataset.width, dataset.dtypes[0])
                expected = (1, self.size_px, self.size_px, self.dtype.name)
                if found != expected:
                    raise RasterError(
                        f"{path}: expected (bands, height, width, type) {expected}, found {found}"
                    )
                return dataset.read(1).astype(self.dtype, copy=False).tobytes()  # type: ignore[no-any-return]
        except RasterioError as error:
            raise RasterError(
                f"{path}: expected an image of {self.size_px} x {self.size_px} {self.dtype.name}, "
                f"found {len(data)} bytes that GDAL cannot read ({error}); fetch or make it again"
            ) from error


def _tags(data: bytes) -> tuple[dict[int, tuple[int, tuple[int, ...] | bytes]], int]:
    """The offset and values of each tag of the first directory, and the next directory.

    Values of other than integer types stay bytes.

    Raises:
        struct.error, ValueError: no classic little-endian TIFF, or cut off.
    """
    if data[:4] != b"II*\0":
        raise ValueError("byte order or version")
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    entries = data[directory + 2 : directory + 2 + 12 * count]
    tags: dict[int, tuple[int, tuple[int, ...] | bytes]] = {}
    for i, (tag, kind, n, where) in enumerate(struct.iter_unpack("<HHII", entries)):
        code = _KINDS.get(kind)
        size = n * (struct.calcsize(code) if code else {2: 1, 12: 8}[kind])
        at = directory + 2 + 12 * i + 8 if size <= 4 else where
        if at + size > len(data):
            raise ValueError("cut off")
        raw = data[at : at + size]
        tags[tag] = at, struct.unpack(f"<{n}{code}", raw) if code else raw
    (following,) = struct.unpack_from("<I", data, directory + 2 + 12 * count)
    return tags, following
