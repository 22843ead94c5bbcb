"""The GeoTIFFs of patches in whichever container they are kept: folders, or a tar for a tile.

In: the folder of a tile, or one above. Out: what writes or reads its patches, a
`reben.storage.patch_files.PatchReader` with the methods that all containers have.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reben.storage.patch_files import Patch, PatchReader, PatchWriter
from reben.storage.patch_tar import TAR, TarReader, TarWriter

#: Values of `patches.container`.
CONTAINERS = ("directory", "tar")


class Writer(Protocol):
    """What takes the patches of a tile, row by row."""

    def add_row(self, row: int, patches: Iterable[Patch]) -> None:
        """Write all files of all patches of a row; every row from 0 on, once."""


@contextmanager
def patch_writer(root: Path, container: str) -> Iterator[Writer]:
    """Yield what writes patches into a folder in one of the `CONTAINERS`."""
    if container == "tar":
        with TarWriter(root) as writer:
            yield writer
    else:
        yield PatchWriter(root)


def patch_reader(root: str | os.PathLike[str]) -> PatchReader:
    """What reads the patches in a folder, whichever way they are kept."""
    return TarReader(root) if Path(root, TAR).exists() else PatchReader(root)


def patch_readers(root: str | os.PathLike[str]) -> list[PatchReader]:
    """What reads all patches below a folder: in it, in its tar, in tars one level down."""
    tars = sorted(path.parent for path in Path(root).glob(f"*/{TAR}"))
    return [patch_reader(root), *map(TarReader, tars)]
