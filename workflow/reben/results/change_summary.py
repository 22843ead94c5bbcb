"""What changes between two states of the land cover, in a few lines.

In: the patches that change (`reben.changes`). Out: counts by tile and by class, as text.
"""

import polars as pl

from reben.domain.name_columns import place_of_patch, tile_of_patch

#: Length at which a list is cut off; the table has all of it.
_SHOWN = 20
_LISTED = 6


def class_changes(patches: pl.DataFrame) -> pl.DataFrame:
    """How many patches gain and lose each class: columns class, appear, vanish."""

    def count(column: str) -> pl.DataFrame:
        return (
            patches.select(**{"class": pl.col(column).explode()})
            .drop_nulls()
            .group_by("class")
            .agg(pl.len().alias(column))
        )

    return (
        count("appear")
        .join(count("vanish"), on="class", how="full", coalesce=True)
        .fill_null(0)
        .sort("class")
    )


def summary(patches: pl.DataFrame, compared: pl.Series) -> str:
    """The changes in a few lines.

    Args:
        patches: those that change, as `reben.changes.patch_changes` returns them.
        compared: patch_id of all patches, also those that do not change.
    """
    every = compared.unique().to_frame()
    if not len(patches):
        return f"Nothing changes: {len(every)} patches have the same land cover and labels."
    relabelled = patches.filter(pl.col("appear").list.len() + pl.col("vanish").list.len() > 0)
    enters = (patches["dataset"] == "enters").sum()
    leaves = (patches["dataset"] == "leaves").sum()
    all_tiles = every.select(tile_of_patch()).to_series().n_unique()
    by_tile = patches.group_by("tile").agg(
        patches=pl.len(), which=place_of_patch().sort_by("patch_id")
    )
    lines = [
        f"Changed: {len(patches)} of {len(every)} patches, in {len(by_tile)} of {all_tiles} tiles",
        f"Other labels: {len(relabelled)}; entering the dataset: {enters}; leaving it: {leaves}",
        "",
        f"{'tile':<46}{'patches':>8}",
    ]
    for tile, count, which in by_tile.sort("tile").rows()[:_SHOWN]:
        listed = " ".join(which[:_LISTED]) + (" ..." if count > _LISTED else "")
        lines.append(f"{tile:<46}{count:>8}  {listed}")
    if len(by_tile) > _SHOWN:
        lines.append(f"... and {len(by_tile) - _SHOWN} more; --out has all")
    classes = class_changes(patches)
    if len(classes):
        width = max(46, *(len(name) + 2 for name in classes["class"]))
        lines += ["", f"{'class':<{width}}{'appears':>8}{'vanishes':>10}"]
        for name, appear, vanish in classes.rows():
            lines.append(f"{name:<{width}}{appear:>8}{vanish:>10}")
    return "\n".join(lines)
