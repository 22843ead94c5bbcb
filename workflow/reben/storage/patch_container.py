"""The GeoTIFFs of patches in any container: folders, or one tar per tile.

In: the folder of a tile, or its parent. Out: a writer or reader of its patches, the latter
a `reben.storage.patch_files.PatchReader` with the methods that all containers have.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from reben.storage.patch_files import Patch, PatchReader, PatchWriter
from reben.storage.patch_tar import TAR, TarReader, TarWriter

#: Values of `patches.container`.
CONTAINERS = ("directory", "tar")


class Writer(Protocol):
    """Writes the patches of a tile, row by row."""

    def add_row(self, row: int, patches: Iterable[Patch]) -> None:
        """Write all files of all patches of a row; call once for each row from 0."""


@contextmanager
def patch_writer(root: Path, container: str) -> Iterator[Writer]:
    """Yield a writer of patches into a folder, in one of the `CONTAINERS`."""
    if container == "tar":
        with TarWriter(root) as writer:
            yield writer
    else:
        yield PatchWriter(root)


def patch_reader(root: str | os.PathLike[str]) -> PatchReader:
    """A reader of the patches in a folder, in any container."""
    return TarReader(root) if Path(root, TAR).exists() else PatchReader(root)


class PatchFinder:
    """Readers of patches anywhere below a folder, in folders or in tars; thread-safe.

    Args:
        root: the folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)
        self._reader = lru_cache(maxsize=64)(patch_reader)  # the index of a tar takes 3 MB

    def find(self, folder: str) -> tuple[PatchReader, str]:
        """The reader of a patch, and the patch's folder in it.

        Args:
            folder: ``<patch>`` or ``<tile or scene>/<patch>``, below the root.
        """
        above, _, patch = folder.rpartition("/")
        return self._reader(self._root / above), patch


def patch_readers(root: str | os.PathLike[str]) -> list[PatchReader]:
    """A reader of all patches below a folder: in it, in its tar, in tars one level down."""
    tars = sorted(path.parent for path in Path(root).glob(f"*/{TAR}"))
    return [patch_reader(root), *map(TarReader, tars)]
