"""How a build was labelled: what the records of its jobs say.

In: a results folder. Out: the settings of its labels and, where they are from a raster map, its
legend: those that the labels were made with, whatever the config says by now.
"""

import os
from pathlib import Path
from typing import Any, Literal

from reben.config.user_file import HOME
from reben.memory.record import Record, record_path
from reben.runtime.errors import TableError
from reben.runtime.files import sha256_file


def label_settings(results: str | os.PathLike[str], tile: str) -> dict[str, Any]:
    """``min_labelled_fraction``, ``threshold`` and others of a tile; empty without a record."""
    record = Record.read(record_path(results, "label_patches", tile))
    return record.settings if record else {}


def label_nomenclature(results: str | os.PathLike[str], tile: str) -> Path | None:
    """The nomenclature of a tile's labels; None without a record.

    Raises:
        TableError: it is not there any more.
    """
    record = Record.read(record_path(results, "label_patches", tile))
    return _source(results, record, "labels.nomenclature", "--nomenclature")


def map_legend(results: str | os.PathLike[str]) -> tuple[Path | None, int | Literal["none"] | None]:
    """The legend of the raster map of a build and its value of no data; None for polygons.

    Raises:
        TableError: the legend is not there any more.
    """
    record = Record.read(record_path(results, "clip_land_cover"))
    legend = _source(results, record, "land_cover.legend", "--legend")
    return legend, record.settings.get("nodata") if record else None


def _source(
    results: str | os.PathLike[str], record: Record | None, name: str, option: str
) -> Path | None:
    """A file that a job has read, by its content: it may lie elsewhere, seen from here."""
    if record is None or name not in record.sources:
        return None
    entry = record.sources[name]
    for folder in (Path(), Path(results).resolve().parent, HOME):
        path = folder / entry["path"]
        if path.is_file() and sha256_file(path) == entry["sha256"]:
            return path
    raise TableError(
        f"{results}: expected the file {entry['path']} that its labels were made with (SHA-256 "
        f"{entry['sha256']}), but it is not there any more or has changed; pass {option}"
    )
