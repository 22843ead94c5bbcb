"""Read a finished build: its verdicts, and what became of every patch.

In: the folder `results` of a build. All views of a dataset (overview, summary, report,
catalogue) start here, so that they count the same rows.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from reben.domain.bands import PATCH_SIDE_M
from reben.domain.grid import TileGrid
from reben.domain.tables import (
    LABELS,
    METADATA,
    PATCHES,
    SELECTION,
    SPLIT,
    read_table,
    read_tables,
)
from reben.domain.verdict import Verdict
from reben.land_cover.legend import Legend, legend_of_clips
from reben.results.layout import Layout
from reben.runtime.errors import TableError


@dataclass(frozen=True)
class FinishedBuild:
    """A finished build.

    Attributes:
        layout: the places of the results.
        verdicts: quality verdicts of all products, by tile .
        metadata: rows of `tables.METADATA`, both tables together, with the column
            ``obscured``: in the table of patches with snow, cloud or shadow.
    """

    layout: Layout
    verdicts: list[Verdict]
    metadata: pl.DataFrame

    @property
    def tiles(self) -> list[str]:
        """All tiles, sorted."""
        return [verdict.tile for verdict in self.verdicts]

    @cached_property
    def patches(self) -> pl.DataFrame:
        """Every patch of the tiles that were cut, sorted by patch_id.

        `tables.PATCHES` with ``dropped_for`` (null if kept), ``split``, ``labels``,
        ``labelled_fraction`` and, for those kept, ``country, s1_name, obscured``.
        """
        layout = self.layout
        frame = read_tables(map(layout.patch_table, self.tiles), PATCHES)
        kept = self.metadata.select("patch_id", "country", "s1_name", "obscured")
        for right in (
            read_table(layout.selection, SELECTION).select("patch_id", "dropped_for"),
            read_tables(map(layout.split, self.tiles), SPLIT),
            read_tables(map(layout.labels, self.tiles), LABELS).drop("kept"),
            kept,
        ):
            frame = frame.join(right, on="patch_id", how="left", maintain_order="left")
        return frame

    @cached_property
    def patch_side_m(self) -> int:
        """Side of a patch, metres; that of BigEarthNet if nothing was cut."""
        sides = self.patches.select(pl.col("x_max") - pl.col("x_min")).to_series()
        return int(sides[0]) if len(sides) else PATCH_SIDE_M

    @cached_property
    def funnel(self) -> list[dict[str, Any]]:
        """The rows of ``funnel.csv``: counts of every tile, then ``total``."""
        return [
            {key: value if key == "tile" else int(value) for key, value in row.items()}
            for row in _csv_rows(self.layout.funnel)
        ]

    @cached_property
    def class_counts(self) -> list[dict[str, Any]]:
        """The rows of ``class_counts.csv``: class, train, validation, test, total."""
        return [
            {key: value if key == "class" else int(value) for key, value in row.items()}
            for row in _csv_rows(self.layout.class_counts)
        ]

    @cached_property
    def legend(self) -> Legend:
        """What the codes of the reference maps mean; CORINE's legend where they are from it."""
        return legend_of_clips(self.layout.clip_manifest)

    def grid(self, verdict: Verdict) -> TileGrid:
        """The grid of a tile."""
        return verdict.grid(self.patch_side_m)

    def by_tile(self) -> Iterator[tuple[Verdict, pl.DataFrame]]:
        """Each verdict with the patches of its tile; none if the product is rejected."""
        parts = self.patches.partition_by("tile", as_dict=True)
        for verdict in self.verdicts:
            yield verdict, parts.get((verdict.tile,), self.patches.clear())


def read_build(root: str | os.PathLike[str]) -> FinishedBuild:
    """Read a finished build.

    Raises:
        TableError: a table is missing or malformed.
    """
    layout = Layout(root)
    tiles = sorted(row["tile"] for row in _csv_rows(layout.quality))
    clear = read_table(layout.metadata, METADATA)
    dark = read_table(layout.obscured, METADATA)
    metadata = pl.concat(
        [clear.with_columns(obscured=pl.lit(False)), dark.with_columns(obscured=pl.lit(True))]
    )
    verdicts = [Verdict.read(layout.verdict(tile)) for tile in tiles]
    return FinishedBuild(layout, verdicts, metadata.sort("patch_id"))


def _csv_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise TableError(
            f"{path}: expected a table of a finished build, found none; run the workflow first, "
            "and pass its results folder"
        ) from error
