"""GeoTIFFs of a tile's patches in one tar, for file systems that are slow with small files.

A folder with ``patches.tar`` and ``patches.index.parquet``, which has the offset of each
GeoTIFF in the tar. ``tar -xf patches.tar`` gives the published layout below the tile's
folder. The tar is written sequentially in large pieces, in the order of the patch rows with
any number of threads, and has no times or owners: the same patches give the same bytes.
Source of the format: POSIX.1-2017, pax, "ustar Interchange Format".
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa

from reben.domain.names import file_stem
from reben.domain.tables import read_table, write_table
from reben.runtime.errors import RasterError
from reben.storage.patch_files import File, Patch, PatchReader, file_name

TAR = "patches.tar"
INDEX = "patches.index.parquet"
#: Offset and length of each GeoTIFF in the tar.
_INDEX = pa.schema(
    {
        "patch_id": pa.large_string(),
        "layer": pa.large_string(),
        "offset": pa.int64(),
        "size": pa.int64(),
    }
)
_BUFFER_BYTES = 8 << 20
_END = bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    """The header of a file in the tar."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


class TarWriter:
    """Writes the files of a tile's patches into one tar; thread-safe.

    Rows may arrive in any order. A row waits in memory until its turn, so the caller must not
    run far ahead.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / TAR
        self._file = self._path.open("xb", buffering=_BUFFER_BYTES)
        self._lock = Lock()
        self._waiting: dict[int, list[tuple[str, list[File]]]] = {}
        self._next_row = 0
        self._offset = 0
        self._index: list[tuple[str, str, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._close()

    def add_row(self, row: int, patches: Iterable[Patch]) -> None:
        """Write all files of all patches of a row; call once for each row from 0."""
        # The files are prepared here, in the calling thread.
        ready = [(patch, list(files)) for patch, files in patches]
        with self._lock:
            self._waiting[row] = ready
            while self._next_row in self._waiting:
                for patch, files in self._waiting.pop(self._next_row):
                    for layer, chunks in files:
                        self._add(patch, layer, chunks)
                self._next_row += 1

    def _add(self, patch: str, layer: str, chunks: Sequence[bytes | memoryview]) -> None:
        size = sum(memoryview(chunk).nbytes for chunk in chunks)
        header = _header(file_name(patch, layer), size)
        self._index.append((patch, layer, self._offset + len(header), size))
        padding = bytes(-size % tarfile.BLOCKSIZE)
        self._write(header, *chunks, padding)
        self._offset += len(header) + size + len(padding)

    def _finish(self) -> None:
        if self._waiting:
            raise AssertionError(f"rows {sorted(self._waiting)} wait for row {self._next_row}")
        self._write(_END)
        frame = pl.DataFrame(self._index, schema=_INDEX.names, orient="row")
        write_table(self._root / INDEX, frame, _INDEX)

    def _write(self, *chunks: bytes | memoryview) -> None:
        try:
            self._file.writelines(chunks)
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self._path)) from error

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self._path)) from error


class TarReader(PatchReader):
    """Reads the files of patches in one tar; thread-safe.

    Raises:
        TableError: the index is missing or damaged.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self._tar = Path(self.root, TAR)
        index = read_table(Path(self.root, INDEX), _INDEX)
        self._places = {(patch, layer): (at, size) for patch, layer, at, size in index.rows()}
        self._file = self._tar.open("rb", buffering=0)

    def path(self, folder: str, layer: str) -> str:
        """The tar and the name in it, for messages."""
        return f"{self._tar}: {file_name(folder, layer)}"

    def read_into(self, folder: str, layer: str, buffers: Sequence[bytearray | memoryview]) -> int:
        """Fill `buffers` one after the other from a file's start; return the bytes read.

        Raises:
            RasterError: the file is not there.
        """
        offset, left = self._place(folder, layer)
        inside = []
        for buffer in buffers:
            inside.append(memoryview(buffer)[:left])
            left -= len(inside[-1])
        return os.preadv(self._file.fileno(), inside, offset)

    def read(self, folder: str, layer: str) -> bytes:
        """All bytes of a file.

        Raises:
            RasterError: the file is not there.
        """
        offset, size = self._place(folder, layer)
        return os.pread(self._file.fileno(), size, offset)

    def folders(self) -> Iterator[str]:
        """The folders of all patches."""
        yield from dict.fromkeys(patch for patch, _ in self._places)

    def hashes(self) -> dict[str, Callable[[], str]]:
        """Functions that compute the SHA-256 of each file, by name without ``.tif``."""

        def of(patch: str, layer: str) -> Callable[[], str]:
            return lambda: hashlib.sha256(self.read(patch, layer)).hexdigest()

        return {file_stem(patch, layer): of(patch, layer) for patch, layer in self._places}

    def damage(self) -> str | None:
        """The first deviation from what `TarWriter` writes, except file contents; or None."""
        end = 0
        for (patch, layer), (offset, size) in sorted(self._places.items(), key=lambda p: p[1]):
            name = file_name(patch, layer)
            header = _header(name, size)
            padding = bytes(-size % tarfile.BLOCKSIZE)
            found = os.pread(self._file.fileno(), len(header), end)
            if offset != end + len(header) or found != header:
                return f"expected the header of {name} at byte {end}, found something else"
            end = offset + size + len(padding)
            if os.pread(self._file.fileno(), len(padding), offset + size) != padding:
                return f"expected zeros after {name}, found something else"
        rest = os.pread(self._file.fileno(), len(_END) + 1, end)
        return None if rest == _END else f"expected the end of the tar at byte {end}, found more"

    def _place(self, folder: str, layer: str) -> tuple[int, int]:
        try:
            return self._places[folder, layer]
        except KeyError as error:
            raise RasterError(
                f"{self._tar}: {layer} of {folder} is missing; expected {file_name(folder, layer)}"
            ) from error
