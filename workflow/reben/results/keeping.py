"""Stages that a build deletes when the dataset is complete: those that `keep` does not name.

In: the results of a finished build. Out: room on the disk. Only folders of the build's tiles are
deleted, and nothing that a link leads to. The records of their jobs stay (`reben.memory`): a later
build makes a folder again only if a job that runs reads it.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from reben.domain.names import ENTRY_KINDS
from reben.results.layout import Layout
from reben.runtime.files import aside, files_below

#: Values of `keep`: the stages that no finished dataset needs, and their folders of a tile.
_FOLDERS: Mapping[str, Callable[[Layout, str], list[Path]]] = {
    "l1c": lambda layout, tile: [layout.l1c(tile)],
    "l2a": lambda layout, tile: [layout.l2a(tile)],
    "patches": lambda layout, tile: [layout.patches(tile)],
    "reference_maps": lambda layout, tile: [layout.reference_maps(tile)],
    "sentinel1": lambda layout, tile: [layout.cut_sentinel1(tile)],
    "encoded": lambda layout, tile: [layout.shard(kind, tile) for kind in ENTRY_KINDS],
}


def not_kept(layout: Layout, keep: Iterable[str], tiles: Iterable[str]) -> dict[str, list[Path]]:
    """The folders that are to be deleted, by stage; stages without any are left out.

    Args:
        layout: the places of the results.
        keep: stages to keep.
        tiles: those of the build; folders of others stay.
    """
    names = list(tiles)
    found = {
        stage: [path for tile in names for path in places(layout, tile) if _is_there(layout, path)]
        for stage, places in _FOLDERS.items()
        if stage not in set(keep)
    }
    return {stage: paths for stage, paths in found.items() if paths}


def delete(folder: Path) -> int:
    """Delete a folder, or a link to one; the bytes that this freed on disk.

    Raises:
        OSError: it cannot be deleted.
    """
    old = aside(folder)
    freed = _remove(old)  # of a deletion that was interrupted
    if os.path.lexists(folder):
        # Renamed first: a folder being removed would still look finished.
        folder.replace(old)
        freed += _remove(old)
    return freed


def _is_there(layout: Layout, path: Path) -> bool:
    """Whether there is something to delete, in a folder of the results and not behind a link."""
    if not (os.path.lexists(path) or os.path.lexists(aside(path))):
        return False
    root = Path(layout.root)
    return path.parent.resolve() == root.resolve() / path.parent.relative_to(root)


def _remove(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return 0
    freed = sum(Path(path, name).lstat().st_blocks for name in files_below(path)) * 512
    shutil.rmtree(path)
    return freed
