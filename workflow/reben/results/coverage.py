"""How much of each tile has no land cover, and where.

In: the pixels of each code in each patch (`tables.CODE_COUNTS`). Out: a sentence for each tile of
which much has none, for the log of its step, the audit and the report. The sea beyond the land
cover has none, too; so it is said, and nothing is refused.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from reben.domain.name_columns import tile_of_patch
from reben.domain.names import PATCH_PATTERN
from reben.domain.tables import CODE_COUNTS, read_table
from reben.land_cover.nomenclature import NO_CODE
from reben.results.layout import Layout
from reben.runtime.files import read_json

#: Share of a tile's valid patches without land cover from which on it is said.
MUCH = 0.1
_PATCH = f"^{PATCH_PATTERN}$"


def coverage_warnings(code_counts: pl.DataFrame) -> list[str]:
    """What to say of tiles of which much has no land cover, sorted by tile.

    Args:
        code_counts: rows of `tables.CODE_COUNTS`, of one tile or of several.
    """
    without = pl.col("pixels").filter(pl.col("code") == NO_CODE).sum()
    patches = (
        code_counts.group_by("patch_id")
        .agg(without=without.cast(pl.Int64), pixels=pl.col("pixels").sum().cast(pl.Int64))
        .with_columns(
            tile=tile_of_patch(),
            col=pl.col("patch_id").str.extract(_PATCH, 3).cast(pl.Int16),
            row=pl.col("patch_id").str.extract(_PATCH, 4).cast(pl.Int16),
        )
    )
    mostly = 2 * pl.col("without") > pl.col("pixels")
    tiles = patches.group_by("tile").agg(
        share=pl.col("without").sum() / pl.col("pixels").sum(),
        patches=pl.len(),
        mostly=mostly.sum(),
        **{
            f"{name}_{end}": getattr(pl.col(name).filter(pl.col("without") > 0), end)()
            for name in ("col", "row")
            for end in ("min", "max")
        },
    )
    much = tiles.filter(pl.col("share") >= MUCH).sort("tile")
    return [_sentence(row) for row in much.iter_rows(named=True)]


def _sentence(row: dict[str, Any]) -> str:
    return (
        f"{row['tile']}: {row['share']:.1%} of the pixels of its {row['patches']} valid patches "
        f"have no land cover ({row['mostly']} patches by more than half), in "
        f"columns {row['col_min']} to {row['col_max']} and rows {row['row_min']} to "
        f"{row['row_max']}; check that the land cover is complete there"
    )


def land_cover_warnings(layout: Layout, tiles: Sequence[str]) -> list[str]:
    """What to say of the land cover of a build: what it lacks, as a file and in each tile."""
    clips = read_json(layout.clip_manifest)
    without = clips.get("without_geometry", 0)
    said = [f"{without} features of the land cover have no geometry; check that its file is sound"]
    for tile, entry in sorted(clips["tiles"].items()):
        said += [f"{tile}: {remark}" for remark in entry.get("remarks", [])]
    for tile in tiles:  # one at a time: those of a continent take a gigabyte
        said += coverage_warnings(read_table(layout.code_counts(tile), CODE_COUNTS))
    return said if without else said[1:]
