"""The names of products, tiles and patches."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reben.domain.names import PLACE_IN_TILE, PatchName, ProductName, Sentinel1Name, patch_id
from reben.runtime.errors import ProductError

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def test_l1c_product_becomes_the_tile_that_sen2cor_names():
    name = ProductName.parse("S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608.SAFE")
    assert name.tile == TILE
    assert (name.mgrs, name.orbit, name.level) == ("33UUP", "R022", "L1C")


def test_l2a_product_keeps_its_baseline():
    name = ProductName.parse("S2B_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454")
    assert name.tile == "S2B_MSIL2A_20221005T115411_N0400_R023_T29UNU"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "S2A",
        "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608.zip",
        "S2A_MSIL3A_20170613T101031_N0205_R022_T33UUP_20170613T101608",
        "../S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608",
        "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608\n",
    ],
)
def test_what_is_no_product_name_is_refused_and_quoted(name):
    with pytest.raises(ProductError, match="is no Sentinel-2 L1C or L2A product name") as error:
        ProductName.parse(name)
    assert repr(name) in str(error.value)


def test_a_date_that_is_none_is_refused():
    with pytest.raises(ProductError, match="20171332T101031"):
        ProductName.parse("S2A_MSIL1C_20171332T101031_N0205_R022_T33UUP_20170613T101608")


@given(col=st.integers(0, 1829), row=st.integers(0, 1829))
def test_patch_names_survive_the_round_trip(col, row):
    parsed = PatchName.parse(patch_id(TILE, col, row))
    assert (parsed.tile, parsed.col, parsed.row) == (TILE, col, row)
    assert str(parsed) == patch_id(TILE, col, row)
    assert re.sub(PLACE_IN_TILE, "", str(parsed)) == TILE


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=2))
def test_patch_names_sort_as_their_indices(places):
    names = [patch_id(TILE, *place) for place in places]
    assert sorted(names) == [patch_id(TILE, *place) for place in sorted(places)]


@pytest.mark.parametrize("indices", ["7_4", "07_04"])
def test_sentinel1_names_are_read_padded_or_not(indices):
    name = f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{indices}"
    parsed = Sentinel1Name.parse(name)
    assert (parsed.col, parsed.row, parsed.mgrs, parsed.name) == (7, 4, "33UUP", name)
    assert parsed.scene == "S1A_IW_GRDH_1SDV_20170613T165043"


def test_what_is_no_sentinel1_name_is_refused():
    with pytest.raises(ProductError, match="BigEarthNet-S1 patch name"):
        Sentinel1Name.parse("S1A_IW_GRDH_1SDV_20170613T165043")
