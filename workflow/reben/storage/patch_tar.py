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
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from reben.domain.names import file_stem
from reben.domain.tables import read_table, write_table
from reben.runtime.errors import RasterError, TableError
from reben.storage.patch_files import File, Patch, PatchReader, check_size, file_name

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
        self._file = self._tar.open("rb", buffering=0)
        path = Path(self.root, INDEX)
        self._places = _Places.of(
            path, read_table(path, _INDEX), os.fstat(self._file.fileno()).st_size
        )

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

    def read(self, folder: str, layer: str, limit: int | None = None) -> bytes:
        """A whole file.

        Raises:
            RasterError: the file is not there, or larger than `limit` bytes.
        """
        offset, size = self._place(folder, layer)
        check_size(size, limit, self.path(folder, layer))
        return os.pread(self._file.fileno(), size, offset)

    def folders(self) -> Iterator[str]:
        """The folders of all patches."""
        yield from self._places.patches

    def hashes(self) -> dict[str, Callable[[], str]]:
        """Functions that compute the SHA-256 of each file, by name without ``.tif``."""

        def of(patch: str, layer: str) -> Callable[[], str]:
            return lambda: self._sha256(*self._place(patch, layer))

        return {file_stem(patch, layer): of(patch, layer) for patch, layer, *_ in self._places}

    def _sha256(self, offset: int, size: int) -> str:
        digest = hashlib.sha256()
        for at in range(offset, offset + size, _BUFFER_BYTES):
            block = min(_BUFFER_BYTES, offset + size - at)
            digest.update(os.pread(self._file.fileno(), block, at))
        return digest.hexdigest()

    def damage(self) -> str | None:
        """The first deviation from what `TarWriter` writes, except file contents; or None."""
        end = 0
        for patch, layer, offset, size in self._places:
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
        place = self._places.find(folder, layer)
        if place is None:
            raise RasterError(
                f"{self._tar}: {layer} of {folder} is missing; expected {file_name(folder, layer)}"
            )
        return place


@dataclass(frozen=True)
class _Places:
    """Where each GeoTIFF is, in 3.6 MB a tile: `encode` has the readers of all tiles at once.

    Attributes:
        patches: number of each patch, by name, in the order of the tar.
        layers: number of each layer, by name.
        keys: sorted, ``patch * len(layers) + layer`` by their numbers.
        offsets: where the file of each key starts in the tar.
        sizes: its bytes.
    """

    patches: dict[str, int]
    layers: dict[str, int]
    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, path: Path, index: pl.DataFrame, tar_bytes: int) -> Self:
        """The places of an index.

        Raises:
            TableError: it names places that are not in the tar, or a file twice.
        """
        inside = (
            (pl.col("offset") >= tarfile.BLOCKSIZE)
            & (pl.col("size") >= 0)
            & (pl.col("size") <= tar_bytes)
            & (pl.col("offset") <= tar_bytes - pl.col("size"))
        )
        strange = index.filter(
            pl.any_horizontal(pl.all().is_null()) | ~inside | pl.col("patch_id").str.contains("/")
        )
        if len(strange):
            raise TableError(
                f"{path}: {strange.row(0)} is no place of a file in {TAR} of {tar_bytes} bytes; "
                "move the folder away, so that the workflow makes it again"
            )
        numbers = {
            column: {name: i for i, name in enumerate(index[column].unique(maintain_order=True))}
            for column in ("patch_id", "layer")
        }
        patch, layer = (
            index[column].replace_strict(found, return_dtype=pl.Int64).to_numpy()
            for column, found in numbers.items()
        )
        keys = patch * max(1, len(numbers["layer"])) + layer
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if (keys[1:] == keys[:-1]).any():
            raise TableError(
                f"{path}: names a file twice; move the folder away, so that the workflow makes "
                "it again"
            )
        offsets, sizes = (index[column].to_numpy()[order] for column in ("offset", "size"))
        return cls(numbers["patch_id"], numbers["layer"], keys, offsets, sizes)

    def find(self, patch: str, layer: str) -> tuple[int, int] | None:
        """Offset and size of a file."""
        row, column = self.patches.get(patch), self.layers.get(layer)
        if row is None or column is None:
            return None
        key = row * len(self.layers) + column
        at = int(self.keys.searchsorted(key))
        if at == len(self.keys) or self.keys[at] != key:
            return None
        return int(self.offsets[at]), int(self.sizes[at])

    def __iter__(self) -> Iterator[tuple[str, str, int, int]]:
        """Patch, layer, offset and size of all files, in the order of the tar."""
        patches, layers = list(self.patches), list(self.layers)
        for i in np.argsort(self.offsets, kind="stable").tolist():
            row, column = divmod(int(self.keys[i]), len(layers))
            yield patches[row], layers[column], int(self.offsets[i]), int(self.sizes[i])
