"""The numbers in the report, each counted from the tables of a build."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reben.domain.reasons import SNOW_CLOUD_OR_SHADOW
from reben.domain.split_geometry import SPLITS
from reben.pictures.palette import DROPPED_COLOURS, OBSCURED_COLOUR, STATE_COLOURS
from reben.results.finished import FinishedBuild


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its name, number of patches and colour."""

    name: str
    count: int
    colour: str


def funnel_bars(row: dict[str, int]) -> list[Bar]:
    """What became of the patches of a row of ``funnel.csv``: reasons that occur, then kept."""
    dropped = [Bar(r, row[r], colour) for r, colour in DROPPED_COLOURS.items() if row[r]]
    return [*dropped, Bar("kept", row["kept"], "var(--accent)")]


def split_bars(metadata: pl.DataFrame) -> list[Bar]:
    """Patches of each split, in both metadata tables."""
    counts = dict(metadata["split"].value_counts().rows())
    return [Bar(name, counts.get(name, 0), STATE_COLOURS[name]) for name in SPLITS]


def country_counts(metadata: pl.DataFrame) -> list[dict[str, int | str]]:
    """Patches of each country by split, sorted by name; empty if countries were not assigned."""
    by_split = [pl.col("split").eq(name).sum().alias(name) for name in SPLITS]
    known = metadata.filter(pl.col("country").is_not_null())
    return known.group_by("country").agg(*by_split, total=pl.len()).sort("country").to_dicts()


@dataclass(frozen=True)
class CoOccurrence:
    """How often classes occur together in a patch.

    Attributes:
        classes: those that occur, in the nomenclature's order.
        together: patches with both classes, (classes, classes); diagonal: with that class.
    """

    classes: list[str]
    together: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The share of patches with the row's class that also have the column's class."""
        return self.together / np.diag(self.together)[:, None]


def co_occurrence(metadata: pl.DataFrame, classes: list[str]) -> CoOccurrence:
    """Count pairs of classes over both metadata tables.

    Args:
        metadata: rows of `tables.METADATA`.
        classes: the nomenclature's classes, in its order.
    """
    rows = metadata.select("labels").with_row_index("patch").explode("labels", empty_as_null=False)
    place = {name: i for i, name in enumerate(classes)}
    has = np.zeros((len(metadata), len(classes)), np.float32)
    columns = rows["labels"].replace_strict(place, return_dtype=pl.Int32).to_numpy()
    has[rows["patch"].to_numpy(), columns] = 1
    # Exact up to 2^24 patches, and a hundred times faster than integers.
    together = (has.T @ has).astype(np.int64)
    used = np.flatnonzero(np.diag(together))
    return CoOccurrence([classes[i] for i in used], together[np.ix_(used, used)])


def skies(metadata: pl.DataFrame) -> list[tuple[str, str]]:
    """Filters for snow, cloud and shadow that divide the patches: key and words."""
    has = {
        "clear": ~metadata["obscured"],
        "snow": metadata["contains_seasonal_snow"].fill_null(False),
        "cloud": metadata["contains_cloud_or_shadow"].fill_null(False),
    }
    words = {"clear": "without", "snow": "with snow", "cloud": "with cloud or shadow"}
    divided = [key for key, column in has.items() if 0 < column.sum() < len(metadata)]
    return [(key, words[key]) for key in divided]


def snow_cloud_unknown(build: FinishedBuild) -> int:
    """Number of patches for which snow and cloud are unknown."""
    flags = build.metadata.select(
        pl.all_horizontal(
            pl.col("contains_seasonal_snow").is_null(), pl.col("contains_cloud_or_shadow").is_null()
        )
    )
    return int(flags.to_series().sum())


def states_shown(build: FinishedBuild) -> list[Bar]:
    """The legend of the tile maps: every colour that occurs, with its count."""
    total = build.funnel[-1]
    legend = split_bars(build.metadata)
    legend += [Bar(r, total[r], colour) for r, colour in DROPPED_COLOURS.items()]
    legend.append(
        Bar(f"lighter: with {SNOW_CLOUD_OR_SHADOW}", total[SNOW_CLOUD_OR_SHADOW], OBSCURED_COLOUR)
    )
    return [bar for bar in legend if bar.count]
