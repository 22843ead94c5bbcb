"""Patches as pictures: true colour, Sentinel-1, and reference maps in CORINE's colours.

Everything returns RGB arrays, uint8, (rows, columns, 3).
"""

import csv
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from reben.land_cover.nomenclature import NO_POLYGON
from reben.runtime.errors import RasterError
from reben.storage.patch_container import patch_reader
from reben.storage.patch_files import PatchReader
from reben.storage.patch_tar import TAR
from reben.storage.raster_files import check_blocks

#: CORINE's level-3 classes with their official colours (code, name, colour).
CORINE_CLASSES = Path(__file__).parents[3] / "resources" / "nomenclature" / "corine.csv"

#: Stretch of true colour: reflectance x 10,000 shown as white, and the gamma. Land is
#: mostly below 0.3; without the gamma, forest and water would be black.
WHITE = 3000
GAMMA = 1.8
#: Stretch of Sentinel-1, decibels: from black to white.
VV_DB = (-20.0, 0.0)
VH_DB = (-27.0, -5.0)

#: More than the largest patch has, which is a tile.
_MAX_PIXELS = 11_000**2
_MAX_BYTES = 4 * _MAX_PIXELS + (16 << 20)
#: Codes from here on are no land cover: unclassified land or water, no polygon.
_NO_LAND_COVER = 990

Picture = NDArray[np.uint8]


def true_colour(folder: Path) -> Picture:
    """Bands B04, B03, B02 of the patch in `folder`."""
    return paint_reflectance([read_layer(folder, band) for band in ("B04", "B03", "B02")])


def paint_reflectance(rgb: Sequence[NDArray[Any]]) -> Picture:
    """Red, green and blue reflectance as a picture."""
    return _to_bytes((np.dstack(rgb) / WHITE).clip(0, 1) ** (1 / GAMMA))


def backscatter(folder: Path) -> Picture:
    """The Sentinel-1 patch in `folder`; see `paint_backscatter`."""
    return paint_backscatter([read_layer(folder, band) for band in ("VV", "VH")])


def paint_backscatter(vv_vh: Sequence[NDArray[Any]]) -> Picture:
    """VV in red, VH in green, their difference in blue; backscatter in dB."""
    vv, vh = (np.nan_to_num(band, nan=-50.0) for band in vv_vh)
    stretched = [
        ((band - low) / (high - low)).clip(0, 1)
        for band, (low, high) in ((vv, VV_DB), (vh, VH_DB), (vv - vh, (0.0, 15.0)))
    ]
    return _to_bytes(np.dstack(stretched))


def reference_map(folder: Path) -> Picture:
    """The reference map in `folder`, with grey stripes outside all polygons."""
    return paint_codes(read_layer(folder, "reference_map"))


def paint_codes(codes: NDArray[np.uint16]) -> Picture:
    """CORINE codes in the official colours; everything else is striped."""
    table = np.full((1000, 3), 255, np.uint8)
    for code, (_, colour) in corine_classes().items():
        table[code] = rgb_of(colour)
    picture: Picture = table[codes.clip(max=NO_POLYGON)]
    y, x = np.indices(codes.shape)
    picture[(codes >= _NO_LAND_COVER) & ((x + y) // 4 % 2 == 0)] = 255
    return picture


def codes_shown(folder: Path) -> list[int]:
    """The codes in a reference map, sorted."""
    return [int(code) for code in np.unique(read_layer(folder, "reference_map"))]


@cache
def corine_classes() -> dict[int, tuple[str, str]]:
    """Name and official colour (``#rrggbb``) of each code; 999 is named "No polygon"."""
    with CORINE_CLASSES.open(encoding="utf-8", newline="") as file:
        rows = {int(row["code"]): (row["name"], row["colour"]) for row in csv.DictReader(file)}
    return rows | {NO_POLYGON: ("No polygon", "#bebebe")}


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


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


def _to_bytes(shares: NDArray[np.floating]) -> Picture:
    return (shares * 255).round().astype(np.uint8)
