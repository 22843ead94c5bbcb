"""The two forms in which a dataset is published, and where the images are in each.

As an LMDB, in ``dataset/``, or as archives of GeoTIFFs, in ``archives/``. Both folders have the
metadata tables. What describes a folder (STAC, Croissant, card) names the files of that folder
alone, by paths relative to it, so that each can be shared as it is.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from reben.domain.bands import REFERENCE_MAP_M, RESOLUTION_M, S1_BANDS
from reben.domain.names import (
    ENTRY_KINDS,
    REFERENCE_MAP,
    Sentinel1Name,
    entry_key,
    file_stem,
)
from reben.results.layout import ARCHIVES, LMDB, LMDB_DATA, Layout
from reben.runtime.errors import TableError
from reben.runtime.files import sha256_file

PARQUET = "application/vnd.apache.parquet"
GEOTIFF = "image/tiff; application=geotiff"
ZSTD = "application/zstd"
#: LMDB has no media type of its own.
BINARY = "application/octet-stream"

#: A patch: a row of `FinishedBuild.patches`.
Patch = Mapping[str, Any]
Assets = dict[str, dict[str, Any]]

#: What each archive holds.
HOLDS = {
    "s2": "GeoTIFFs of the 12 bands of Sentinel-2 L2A",
    "s1": "GeoTIFFs of VV and VH of Sentinel-1",
    "reference_maps": "GeoTIFFs of the reference maps",
}
_LMDB = f"{LMDB}/{LMDB_DATA}"
_S1_M = 10


@dataclass(frozen=True)
class ImageFile:
    """A file that holds images.

    Attributes:
        key: short name.
        path: relative to the published folder.
        media: media type.
        holds: what it holds.
        sha256: digest of its bytes.
    """

    key: str
    path: str
    media: str
    holds: str
    sha256: str


@dataclass(frozen=True)
class Form:
    """Where the images of a published folder are.

    Attributes:
        name: ``lmdb`` or ``archives``; the part of the card is ``templates/<name>.md``.
        files: the files that hold them.
        assets: the STAC assets of a patch.
    """

    name: str
    files: list[ImageFile]
    assets: Callable[[Patch], Assets]


def lmdb_form(layout: Layout, kinds: Collection[str]) -> Form:
    """One LMDB.

    Args:
        layout: layout of the results.
        kinds: which of `ENTRY_KINDS` are in it.
    """
    digest = sha256_file(layout.lmdb_data)
    file = ImageFile("lmdb", _LMDB, BINARY, "images by name of the patch (LMDB)", digest)
    return Form("lmdb", [file], partial(_entries, kinds=kinds))


def archives_form(layout: Layout) -> Form:
    """Archives of GeoTIFFs, unpacked beside the metadata tables.

    Raises:
        TableError: the archives have no readable checksums.
    """
    digests = read_checksums(layout)
    files = [
        ImageFile(kind, path.name, ZSTD, HOLDS[kind], digests[path.name])
        for kind in ARCHIVES
        if (path := layout.archive(kind)).name in digests
    ]
    return Form("archives", files, partial(_geotiffs, kinds={file.key for file in files}))


def read_checksums(layout: Layout) -> dict[str, str]:
    """The SHA-256 of each file in the folder of the archives, by name.

    Raises:
        TableError: ``SHA256SUMS`` is missing or malformed.
    """
    path = layout.archive_checksums
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (FileNotFoundError, ValueError) as error:
        raise TableError(
            f"{path}: expected lines of a SHA-256 and a file name ({error}); remove this file, "
            "so that the workflow makes the archives again"
        ) from error


def _entries(patch: Patch, kinds: Collection[str]) -> Assets:
    """The LMDB, with the keys of the patch in it."""
    keys = [
        entry_key(kind, name)
        for kind in ENTRY_KINDS
        if kind in kinds and (name := patch["s1_name" if kind == "s1" else "patch_id"])
    ]
    return {"lmdb": {"href": _LMDB, "type": BINARY, "roles": ["data"], "reben:keys": keys}}


def _geotiffs(patch: Patch, kinds: Collection[str]) -> Assets:
    """The GeoTIFFs of the patch, where they are once the archives are unpacked."""
    name, pair = patch["patch_id"], patch["s1_name"]
    inside = f"{patch['tile']}/{name}"
    assets = {}
    if "s2" in kinds:
        for band, resolution_m in RESOLUTION_M.items():
            assets[band] = _geotiff("s2", inside, file_stem(name, band), patch, resolution_m)
    if "s1" in kinds and pair:
        scene = f"{Sentinel1Name.parse(pair).scene}/{pair}"
        for band in S1_BANDS:
            assets[band] = _geotiff("s1", scene, file_stem(pair, band), patch, _S1_M)
    if "reference_maps" in kinds:
        stem = file_stem(name, REFERENCE_MAP)
        assets[REFERENCE_MAP] = _geotiff("reference_maps", inside, stem, patch, REFERENCE_MAP_M)
    return assets


def _geotiff(kind: str, folder: str, stem: str, patch: Patch, resolution_m: int) -> dict[str, Any]:
    size = (patch["x_max"] - patch["x_min"]) // resolution_m
    return {
        "href": f"{ARCHIVES[kind]}/{folder}/{stem}.tif",
        "type": GEOTIFF,
        "roles": ["data"],
        "gsd": resolution_m,
        "proj:shape": [size, size],
        "proj:transform": [resolution_m, 0, patch["x_min"], 0, -resolution_m, patch["y_max"]],
    }
