"""Where the GeoTIFFs of one tile are kept: ``<root>/<patch>/<patch>_<layer>.tif``."""

import os
from collections.abc import Iterable
from pathlib import Path

Chunk = bytes | memoryview


class PatchWriter:
    """Writes the files of a tile's patches below one folder; safe to use from threads.

    A plain file of 29 kB costs some 50 µs when written with one `writev`, a twentieth
    of what it costs through GDAL.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)

    def add_patch(self, patch: str, files: Iterable[tuple[str, list[Chunk]]]) -> None:
        """Write all files of a patch: (layer name, chunks of bytes) each."""
        folder = f"{self.root}/{patch}"
        os.mkdir(folder)  # noqa: PTH102 - pathlib costs as much as the call itself
        for layer, chunks in files:
            path = f"{folder}/{patch}_{layer}.tif"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                expected = sum(memoryview(chunk).nbytes for chunk in chunks)
                if os.writev(fd, chunks) != expected:
                    raise OSError(28, os.strerror(28), path)  # ENOSPC: a short write
            finally:
                os.close(fd)
