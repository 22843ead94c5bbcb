"""The names of products, tiles and patches."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reben.domain.bands import S2_BANDS
from reben.domain.name_columns import parts_of_tile, place_of_patch, tile_of_patch
from reben.domain.names import (
    REFERENCE_MAP,
    FileName,
    PatchName,
    ProductName,
    Sentinel1Name,
    entry_key,
    file_stem,
    patch_id,
    tile_of,
)
from reben.runtime.errors import ProductError

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
LAYERS = (*S2_BANDS, REFERENCE_MAP)


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
    with pytest.raises(ProductError, match="is not a Sentinel-2 L1C or L2A product name") as error:
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
    assert tile_of(str(parsed)) == TILE
    assert str(parsed) == f"{TILE}_{parsed.place}"


@given(col=st.integers(0, 1829), row=st.integers(0, 1829), layer=st.sampled_from(LAYERS))
def test_names_of_files_survive_the_round_trip(col, row, layer):
    patch = patch_id(TILE, col, row)
    assert FileName.match(file_stem(patch, layer)) == FileName(patch, layer)
    assert FileName.match(entry_key("reference_maps", patch)) == FileName(patch, REFERENCE_MAP)


@pytest.mark.parametrize(
    "stem", [f"{TILE}_70_40", f"{TILE}_7_4_B02", "70_40_B02", "", f"{TILE}_B02"]
)
def test_what_is_no_name_of_a_file_is_none(stem):
    assert FileName.match(stem) is None


def test_columns_of_names_say_what_the_names_say():
    places = [(0, 0), (7, 40), (99, 100), (100, 99), (1829, 1829)]
    names = [PatchName(TILE, *place) for place in places]
    frame = pl.DataFrame({"patch_id": list(map(str, names)), "tile": TILE})
    assert frame.select(tile_of_patch()).to_series().to_list() == [TILE] * len(names)
    assert frame.select(place_of_patch()).to_series().to_list() == [name.place for name in names]
    product = ProductName.parse(TILE)
    assert frame.select(parts_of_tile()).to_series()[0] == {
        "mission": product.mission,
        "sensing": product.sensing,
        "date": product.sensing[:8],
        "mgrs": product.mgrs,
    }


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
