"""A dataset folder of anyone: made here, published, or written again by other tools.

In: the path of ``metadata.parquet``. Out: its rows and the classes of the dataset. What steps
write for each other is read by `reben.domain.tables`, which insists on every column.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from reben.domain.tables import METADATA, AnyPath, read_known_columns
from reben.land_cover.legend import Legend, legend_of_clips
from reben.land_cover.nomenclature import read_nomenclature
from reben.results.layout import CLASS_COUNTS, Layout
from reben.runtime.errors import TableError

_BIGEARTHNET = Path(__file__).parents[3] / "resources" / "nomenclature" / "bigearthnet_19.csv"
_NEEDED = ("patch_id", "labels")


def read_metadata(paths: Iterable[AnyPath]) -> pl.DataFrame:
    """Read metadata tables, by name of the columns: any order, further ones are left out.

    Columns that all tables lack, such as countries, are null.

    Returns:
        The columns of `METADATA`, sorted by patch_id.

    Raises:
        TableError: a table is unreadable, or lacks patch_id or labels.
    """
    frames = [read_known_columns(path, METADATA, _NEEDED) for path in paths]
    return pl.concat(frames).sort("patch_id", maintain_order=True)


def bigearthnet_classes() -> tuple[str, ...]:
    """The 19 classes of BigEarthNet v2, sorted by name."""
    return tuple(sorted(set(read_nomenclature(_BIGEARTHNET).values())))


def legend_of(metadata: AnyPath) -> Legend:
    """What the codes of reference maps mean: the legend of the build around it, or CORINE's."""
    return legend_of_clips(Layout(Path(metadata).absolute().parents[1]).clip_manifest)


def classes_of(metadata: AnyPath) -> tuple[str, ...]:
    """The classes of a dataset, sorted by name: those of the nomenclature of its build.

    They are in ``class_counts.csv`` beside the metadata. Without that file they are the 19 classes
    of BigEarthNet v2.

    Raises:
        TableError: the file is damaged.
    """
    path = Path(metadata).with_name(CLASS_COUNTS)
    if not path.exists():
        return bigearthnet_classes()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            classes = [row["class"] for row in csv.DictReader(file)]
    except (KeyError, OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(
            f"{path}: expected a table with the column class, found {error!r}; copy it again, or "
            "pass `classes`"
        ) from error
    return tuple(sorted(set(classes)))
