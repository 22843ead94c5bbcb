"""GeoTIFFs of a patch as pictures, and the choice of patches to show."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from reben.pictures.painting import Picture, paint_backscatter, paint_codes, paint_reflectance
from reben.runtime.errors import RasterError
from reben.storage.patch_container import patch_reader
from reben.storage.patch_files import PatchReader
from reben.storage.patch_tar import TAR
from reben.storage.raster_files import check_blocks

#: More than the largest patch has, which is a tile.
_MAX_PIXELS = 11_000**2
_MAX_BYTES = 4 * _MAX_PIXELS + (16 << 20)


def true_colour(folder: Path) -> Picture:
    """Bands B04, B03, B02 of the patch in `folder`."""
    return paint_reflectance([read_layer(folder, band) for band in ("B04", "B03", "B02")])


def backscatter(folder: Path) -> Picture:
    """The Sentinel-1 patch in `folder`; see `paint_backscatter`."""
    return paint_backscatter([read_layer(folder, band) for band in ("VV", "VH")])


def reference_map(folder: Path) -> Picture:
    """The reference map in `folder`, with grey stripes outside all polygons."""
    return paint_codes(read_layer(folder, "reference_map"))


def codes_shown(folder: Path) -> list[int]:
    """The codes in a reference map, sorted."""
    return [int(code) for code in np.unique(read_layer(folder, "reference_map"))]


def read_layer(folder: Path, layer: str) -> NDArray[Any]:
    """One GeoTIFF of the patch that `folder` is named after, possibly in a tar next to it.

    Raises:
        RasterError: it is missing or unreadable.
    """
    store = _store(folder.parent)
    data = store.read(folder.name, layer, _MAX_BYTES)
    try:
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
            if dataset.width * dataset.height > _MAX_PIXELS:
                raise RasterioError(f"it has {dataset.width} x {dataset.height} px")
            check_blocks(dataset)
            return np.asarray(dataset.read(1))
    except RasterioError as error:
        path = store.path(folder.name, layer)
        raise RasterError(f"{path}: expected a layer of a patch: {error}") from error


def has_images(folder: Path) -> bool:
    """Whether the images of a patch are available, in its folder or in the tar of its tile."""
    return folder.is_dir() or (folder.parent / TAR).exists()


@lru_cache(maxsize=4)
def _store(root: Path) -> PatchReader:
    """The reader of the patches below `root`; cached, since the index of a tar is large."""
    return patch_reader(root)


def choose_patches(candidates: pl.DataFrame, count: int) -> list[str]:
    """Pick patches greedily so that together they show as many classes as possible.

    Tiles take turns and ties are broken by name, so the choice is the same every time.

    Args:
        candidates: columns ``patch_id``, ``tile`` and ``labels``.
        count: maximum number.
    """
    rows = {p: (t, set(names)) for p, t, names in candidates.rows()}
    chosen: list[str] = []
    seen: set[str] = set()
    used: dict[str, int] = dict.fromkeys(candidates["tile"].unique(), 0)
    while rows and len(chosen) < count:
        best = max(
            sorted(rows),
            key=lambda p: (-used[rows[p][0]], len(rows[p][1] - seen), len(rows[p][1])),
        )
        tile, names = rows.pop(best)
        chosen.append(best)
        used[tile] += 1
        seen |= names
        if not any(names - seen for _, names in rows.values()):
            seen.clear()
    return chosen
