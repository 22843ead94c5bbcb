"""The geographic split."""

from fractions import Fraction
from math import sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reben.domain.grid import TileGrid
from reben.domain.split_geometry import SPLITS, frame_widths
from reben.runtime.errors import ConfigError
from reben.split import assign_split

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def place(grid):
    """The columns of `tables.PATCHES` that the split reads, for all patches of a grid."""
    col, row = grid.columns_and_rows()
    x, y = grid.x_min + col * grid.patch_side_m, grid.y_max - row * grid.patch_side_m
    return pl.DataFrame(
        {"patch_id": grid.patch_ids(TILE), "x_min": x, "x_max": x + grid.patch_side_m}
        | {"y_max": y, "y_min": y - grid.patch_side_m}
    ).with_columns(
        tile_x_min=pl.lit(grid.x_min),
        tile_y_max=pl.lit(grid.y_max),
        tile_side_m=pl.lit(grid.tile_side_m),
    )


def test_the_full_grid():
    split = assign_split(place(TileGrid(32633, 300_000, 5_400_000, 109_800)), 0.25, 0.25)
    counts = dict(split["split"].value_counts().iter_rows())
    assert counts == {"train": 4056, "validation": 2109, "test": 2116}


@given(
    p=st.floats(0.05, 0.9),
    q=st.floats(0, 0.9),
    count=st.integers(4, 60),
    rest=st.integers(0, 19),
)
def test_frames_lie_inside_one_another_and_have_their_shares(p, q, count, rest):
    assume(p + q < 0.95)
    grid = TileGrid(32633, 300_000, 5_400_000, count * 1200 + rest * 60)
    split = assign_split(place(grid), p, q)["split"].to_numpy().reshape(count, count)
    rank = np.vectorize(SPLITS.index)(split)
    # Towards the centre along any row or column, the rank never decreases.
    half = count // 2
    assert (np.diff(rank[: half - 1], axis=0) >= 0).all()
    assert (np.diff(rank[:, : half - 1], axis=1) >= 0).all()
    # The side of each square is correct to within one patch at each end.
    for inner, share in ((rank == 2, p), (rank >= 1, p + q)):
        wanted = sqrt(share) * grid.tile_side_m / grid.patch_side_m
        side = inner.any(axis=0).sum()
        assert inner.sum() == side**2, "a filled square"
        assert abs(side - wanted) <= 2


def test_a_centre_on_a_border_belongs_to_the_inner_part():
    # Borders 600 m and 1800 m from the edge of a tile of 4800 m, through the centres.
    split = assign_split(place(TileGrid(32733, 300_000, 5_400_000, 4800)), p=1 / 16, q=1 / 2)
    assert split["split"].value_counts(sort=True).rows() == [("validation", 12), ("test", 4)]


@pytest.mark.parametrize(("p", "q"), [("0.49", "0.32"), ("0.25", "0.11"), ("0.01", "0.08")])
def test_borders_are_exact_in_tiles_of_every_size(p, q):
    """The oracle has fractions: binary ones put some centres on a border outside of it."""
    for count in range(2, 40):
        grid = TileGrid(32633, 300_000, 5_400_000, count * 1200)
        found = assign_split(place(grid), float(p), float(q))["split"].to_list()
        for col, row, split in zip(*grid.columns_and_rows(), found, strict=True):
            off = max(abs(2 * int(i) + 1 - count) for i in (col, row))
            share = Fraction(off, count) ** 2
            outer, inner = Fraction(p) + Fraction(q), Fraction(p)
            expected = "train" if share > outer else "validation" if share > inner else "test"
            assert split == expected, (count, col, row)


def test_a_tile_without_patches_has_no_split():
    assert len(assign_split(place(TileGrid(32633, 0, 0, 1200)).clear(), 0.25, 0.25)) == 0


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.7, 0.4), (0, 0.2), (-0.1, 0.2), (0.2, -0.1)])
def test_shares_that_cannot_be_are_refused(p, q):
    with pytest.raises(ConfigError, match=rf"split\.p is {p} and split\.q is {q}"):
        frame_widths(p, q)
