"""Whether folders of Sentinel-2, Sentinel-1 and reference maps belong together, patch by patch.

In: the names of the patches of each kind that were found, and metadata tables that say which there
should be. Out: counts and warnings in the log, or an error. A download that was extracted in part
lacks whole patches, and nothing else would say so.
"""

import logging
from collections.abc import Mapping, Sequence

from reben.domain.names import PatchName, ProductName, Sentinel1Name, is_patch_id
from reben.domain.tables import METADATA, read_tables
from reben.runtime.errors import ProductError, StoreError

log = logging.getLogger(__name__)

_LISTED = 5
_NAMES = {"s2": "Sentinel-2", "s1": "Sentinel-1", "reference_maps": "reference maps"}
Place = tuple[str, int, int]


def check_complete(found: Mapping[str, Sequence[str]], metadata: Sequence[str]) -> None:
    """Count the patches of each kind, and name those that one kind has and another lacks.

    Args:
        found: names of the patches by kind: ``s2``, ``s1``, ``reference_maps``.
        metadata: metadata tables whose patches must all be there, in every kind that is given.

    Raises:
        StoreError: a patch of the tables is missing.
        TableError: a table is unreadable.
    """
    log.info("%s", ", ".join(f"{len(names)} of {_NAMES[kind]}" for kind, names in found.items()))
    if metadata:
        _check_tables(found, metadata)
    for kind, names in found.items():
        for other, those in found.items():
            if kind == other:
                continue
            by_place = "s1" in (kind, other)
            keys = {_place(name) if by_place else name for name in those}
            lacking = sorted(n for n in names if (_place(n) if by_place else n) not in keys)
            if lacking:
                log.warning(
                    "%d of %d patches of %s have none of %s: %s",
                    len(lacking),
                    len(names),
                    _NAMES[kind],
                    _NAMES[other],
                    _listed(lacking),
                )


def _check_tables(found: Mapping[str, Sequence[str]], metadata: Sequence[str]) -> None:
    rows = read_tables(metadata, METADATA)
    wanted = {
        "s2": rows["patch_id"].to_list(),
        "s1": rows["s1_name"].drop_nulls().to_list(),
        "reference_maps": rows["patch_id"].to_list(),
    }
    flaws = []
    for kind, names in found.items():
        have = {_unpadded(name) for name in names}
        expected = {_unpadded(name): name for name in wanted[kind]}
        if missing := sorted(name for key, name in expected.items() if key not in have):
            flaws.append(
                f"{len(missing)} of {len(expected)} of {_NAMES[kind]} are missing: "
                f"{_listed(missing)}"
            )
        if more := len(have - expected.keys()):
            log.warning(
                "%d patches of %s are in none of the tables %s",
                more,
                _NAMES[kind],
                ", ".join(metadata),
            )
    if flaws:
        raise StoreError(
            f"{', '.join(metadata)}: {'; '.join(flaws)}. Extract the download again, or leave out "
            "--metadata to encode what there is"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _unpadded(name: str) -> str | tuple[str, int, int]:
    """A Sentinel-1 patch as its scene and place: some copies pad the indices."""
    try:
        parsed = Sentinel1Name.parse(name)
    except ProductError:
        return name
    return (f"{parsed.scene}_{parsed.mgrs}", parsed.col, parsed.row)


def _place(name: str) -> Place:
    """The tile of the military grid, column and row of a patch of any kind."""
    if is_patch_id(name):
        patch = PatchName.parse(name)
        return ProductName.parse(patch.tile).mgrs, patch.col, patch.row
    try:
        parsed = Sentinel1Name.parse(name)
    except ProductError:  # v1 names have no tile; nothing can be said of them
        return name, 0, 0
    return parsed.mgrs, parsed.col, parsed.row
