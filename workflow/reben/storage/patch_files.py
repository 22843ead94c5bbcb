"""Storage of patch GeoTIFFs in folders: ``<root>/<folder>/<patch>_<layer>.tif``.

A layer with a suffix of its own, `S1_METADATA`, is no image and has no ``.tif``.

The folder of a patch is named after it: ``<patch>`` below a tile's own root, ``<tile>/<patch>``
in the published layout. Nothing else in reben opens these files;
`reben.storage.patch_tar` keeps them in a tar instead, with the same methods.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from reben.domain.names import file_stem, is_patch_folder
from reben.runtime.errors import RasterError
from reben.runtime.files import subfolders

#: What BigEarthNet-S1 has beside the images of a patch.
S1_METADATA = "labels_metadata.json"
Chunk = bytes | memoryview
#: A layer's name and the bytes of its file.
File = tuple[str, list[Chunk]]
#: A patch's name and its files.
Patch = tuple[str, Iterable[File]]


def file_name(folder: str, layer: str) -> str:
    """The file of a layer of the patch in `folder`, below the root."""
    stem = file_stem(folder.rpartition("/")[2], layer)
    return f"{folder}/{stem}" if layer == S1_METADATA else f"{folder}/{stem}.tif"


def check_size(size: int, limit: int | None, path: str) -> None:
    """Check that a file can be read into memory.

    Raises:
        RasterError: it is larger than `limit` bytes.
    """
    if limit is not None and size > limit:
        raise RasterError(
            f"{path}: expected at most {limit} bytes for a layer of a patch, found {size}; fetch "
            "or make it again"
        )


class PatchWriter:
    """Writes the files of a tile's patches below one folder; thread-safe.

    Writing a file of 29 kB with one `writev` takes about 50 µs, a twentieth of the time with
    GDAL.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)

    def add_row(self, row: int, patches: Iterable[Patch]) -> None:
        """Write all files of all patches of a row."""
        for patch, files in patches:
            self.add_patch(patch, files)

    def add_patch(self, patch: str, files: Iterable[File]) -> None:
        """Write all files of a patch."""
        folder = f"{self.root}/{patch}"
        os.mkdir(folder)  # noqa: PTH102 - pathlib costs as much as the call itself
        for layer, chunks in files:
            path = f"{self.root}/{file_name(patch, layer)}"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                expected = sum(memoryview(chunk).nbytes for chunk in chunks)
                if os.writev(fd, chunks) != expected:
                    raise OSError(28, os.strerror(28), path)  # ENOSPC: a short write
            finally:
                os.close(fd)


class PatchReader:
    """Reads the files of patches below one folder; thread-safe."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)

    def path(self, folder: str, layer: str) -> str:
        """Path of a layer of the patch in `folder`, for messages."""
        return f"{self.root}/{file_name(folder, layer)}"

    def read_into(self, folder: str, layer: str, buffers: Sequence[bytearray | memoryview]) -> int:
        """Fill `buffers` one after the other from a file's start; return the bytes read.

        Raises:
            RasterError: the file is not there.
        """
        fd = self._open(folder, layer)
        try:
            return os.readv(fd, buffers)
        finally:
            os.close(fd)

    def read(self, folder: str, layer: str, limit: int | None = None) -> bytes:
        """A whole file.

        Args:
            folder: of the patch.
            layer: name of the layer.
            limit: most bytes that it may have.

        Raises:
            RasterError: the file is not there, or larger than `limit`.
        """
        with os.fdopen(self._open(folder, layer), "rb") as file:
            check_size(os.fstat(file.fileno()).st_size, limit, self.path(folder, layer))
            return file.read()

    def folders(self) -> Iterator[str]:
        """The folders of all patches, below the root itself and one level down, unsorted.

        One level down they are in folders of tiles or, in BigEarthNet-S1, scenes.
        """
        for name in subfolders(self.root):
            if is_patch_folder(name):
                yield name
            else:
                for patch in subfolders(f"{self.root}/{name}"):
                    if is_patch_folder(patch):
                        yield f"{name}/{patch}"

    def first(self, layer: str) -> str | None:
        """The file of a layer in some folder of a patch, found without listing all; or None."""

        def search(below: str, depth: int) -> Iterator[str]:
            with suppress(OSError), os.scandir(f"{self.root}/{below}") as entries:
                for entry in entries:
                    if is_patch_folder(entry.name):
                        yield self.path(f"{below}{entry.name}", layer)
                    elif depth and entry.is_dir():
                        yield from search(f"{below}{entry.name}/", depth - 1)

        return next((path for path in search("", 1) if os.path.isfile(path)), None)  # noqa: PTH113

    def _open(self, folder: str, layer: str) -> int:
        try:
            return os.open(self.path(folder, layer), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RasterError(
                f"{self.root}/{folder}: {layer} is missing; expected the file "
                f"{self.path(folder, layer)}"
            ) from error
