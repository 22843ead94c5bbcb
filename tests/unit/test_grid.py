"""The places of patches in a tile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reben.domain.grid import TileGrid, TileSquare
from reben.runtime.errors import ConfigError

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def test_a_full_tile_has_91_patches_a_side_and_a_rest():
    grid = TileGrid(32633, 300_000, 5_400_000, 109_800)
    assert (grid.count, grid.tile_px(10), grid.patch_px(60)) == (91, 10_980, 20)
    assert grid.corner(0, 0) == (300_000, 5_400_000)
    assert grid.corner(90, 1) == (408_000, 5_398_800)
    assert grid.bounds == (300_000, 5_290_200, 409_800, 5_400_000)
    assert grid.patch_ids(TILE)[:2] == [f"{TILE}_00_00", f"{TILE}_00_01"]


@given(count=st.sampled_from([1, 7, 99, 100, 101, 183]), rest_m=st.sampled_from([0, 60, 540]))
def test_names_are_sorted_and_each_once_at_any_size(count, rest_m):
    grid = TileGrid(32733, 300_000, 5_400_000, count * 600 + rest_m, 600)
    names = grid.patch_ids(TILE)
    assert names == sorted(set(names))
    assert len(names) == count**2
    assert set(zip(*map(tuple, grid.columns_and_rows()), strict=True)) == {
        (col, row) for col in range(count) for row in range(count)
    }


@pytest.mark.parametrize("patch_side_m", [0, -60, 100, 1250])
def test_a_patch_that_is_not_whole_pixels_is_refused(patch_side_m):
    with pytest.raises(ConfigError, match=rf"side_m is {patch_side_m}; expected a positive"):
        TileGrid(32633, 300_000, 5_400_000, 109_800, patch_side_m)


def test_a_tile_smaller_than_a_patch_is_refused():
    with pytest.raises(ConfigError, match="tile is 600 m wide, smaller than a patch of 1200 m"):
        TileGrid(32633, 300_000, 5_400_000, 600)


def test_the_place_survives_the_round_trip_without_the_patches():
    grid = TileGrid(32756, 300_000, 6_200_020, 4260, 600)
    square = TileSquare.from_dict(grid.to_dict())
    assert square == TileSquare(32756, 300_000, 6_200_020, 4260)
    assert square.grid(600) == grid
    assert square.bounds == grid.bounds
