"""Distances between the splits and classes that occur together, by their definitions."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reben.report import counts, distances
from reben.results.finished import read_build


def test_distances_equal_those_of_every_pair(pages: Path) -> None:
    patches = read_build(pages.parent / "results").patches.filter(pl.col("dropped_for").is_null())
    ours = distances.compare_splits(patches)[0]
    for split, found in ours.to_train.items():
        expected = []
        for _, tile in patches.group_by("tile", maintain_order=True):
            xy = tile.select((pl.col("x_min") + 120) * 1.0, (pl.col("y_min") + 120) * 1.0)
            train = xy.filter(tile["split"] == "train").to_numpy()
            here = xy.filter(tile["split"] == split).to_numpy()
            expected += np.hypot(*(here[:, None] - train).T).min(axis=0).tolist()
        np.testing.assert_allclose(np.sort(found), np.sort(expected))


def test_other_splits_have_the_same_shares_and_blocks_stay_whole(pages: Path) -> None:
    patches = read_build(pages.parent / "results").patches.filter(pl.col("dropped_for").is_null())
    split = patches["split"].to_numpy()
    assert sorted(distances.random_split(split)) == sorted(split)
    dealt = patches.with_columns(dealt=pl.Series(distances.grid_split(patches, 2)))
    blocks = dealt.group_by("tile", pl.col("col") // 2, pl.col("row") // 2)
    assert blocks.agg(pl.col("dealt").n_unique())["dealt"].max() == 1
    assert dealt.filter(pl.col("dealt") == "train").height == pytest.approx(
        (split == "train").sum(), rel=0.2
    )


def test_neighbours_in_another_zone_count(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "epsg": [32632, 32633],
            # Both are near 12° east, 52° north, in their own zones.
            "x_min": [704_000, 294_000],
            "x_max": [705_200, 295_200],
            "y_min": [5_765_000, 5_765_000],
            "y_max": [5_766_200, 5_766_200],
        }
    )
    places = distances.Places.of(frame)
    found = places.to_train(np.array(["train", "test"], object))
    assert 0 < found["test"][0] < 5000


def test_co_occurrence_counts_pairs() -> None:
    metadata = pl.DataFrame({"labels": [["a", "b"], ["a"], ["a", "c"], []]})
    pairs = counts.co_occurrence(metadata, ["a", "b", "c", "d"])
    assert pairs.classes == ["a", "b", "c"]
    assert pairs.together.tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]
    assert pairs.shares[1, 0] == 1.0
