"""Reading L2A products, and the verdict on them."""

import re
import shutil
from dataclasses import replace

import pytest

from reben import quality
from reben.domain.bands import S2_BANDS
from reben.domain.grid import TileSquare
from reben.runtime.errors import ProductError
from reben.runtime.files import read_json
from reben.safe.metadata import L2AProduct
from reben.synthetic import ProductSpec, write_product

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
REQUIRED = ["GENERAL_QUALITY", "GEOMETRIC_QUALITY", "RADIOMETRIC_QUALITY", "SENSOR_QUALITY"]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edit_node(path, node, value):
    text, count = re.subn(f"<{node}>[^<]*<", f"<{node}>{value}<", path.read_text())
    assert count
    path.write_text(text)


def test_the_grid_comes_from_the_granule(pristine_product, spec):
    product = L2AProduct.open(pristine_product)
    assert product.square() == TileSquare(32633, 300_000, 5_400_000, 4200)
    assert product.grid().count == 3


@pytest.mark.parametrize("style", ["check", "flag"])
@pytest.mark.parametrize("failed", [*REQUIRED, "FORMAT_CORRECTNESS"])
def test_verdict_in_both_spellings(tmp_path, spec, style, failed):
    spec = replace(spec, side_m=1200, quality={failed: "FAILED"}, indicator_style=style)
    verdict = quality.check_quality(L2AProduct.open(write_product(tmp_path, spec)), TILE, REQUIRED)
    if failed == "FORMAT_CORRECTNESS":
        assert (verdict.accepted, verdict.reasons) == (True, [])
    else:
        assert (verdict.accepted, verdict.reasons) == (False, [f"{failed}=FAILED"])


def test_a_product_without_indicators_is_an_error(product):
    path = product / "MTD_MSIL2A.xml"
    edit(path, "Quality_Inspections>", "Other>")
    with pytest.raises(ProductError, match=r"MTD_MSIL2A\.xml: expected quality indicators"):
        L2AProduct.open(product).indicators()


def test_a_required_indicator_that_is_absent_is_an_error(pristine_product):
    with pytest.raises(
        ProductError, match=r"SAFE: .*\['ICE_QUALITY'\] are absent; the product has"
    ):
        quality.check_quality(L2AProduct.open(pristine_product), TILE, ["ICE_QUALITY"])


def test_another_tile_than_expected_is_an_error(pristine_product):
    other = TILE.replace("33UUP", "33UVP")
    with pytest.raises(ProductError, match=f"expected tile {other}, its metadata says {TILE}"):
        quality.check_quality(L2AProduct.open(pristine_product), other, REQUIRED)


@pytest.mark.parametrize("node", ["HORIZONTAL_CS_CODE", "ULX", "NROWS"])
def test_a_missing_node_names_file_and_node(product, node):
    path = next(product.glob("GRANULE/*/MTD_TL.xml"))
    edit(path, node, "ELSE")
    with pytest.raises(ProductError, match=rf"MTD_TL\.xml: .*<{node}>"):
        L2AProduct.open(product).grid()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<half", "is not XML"),
        ('<?xml version="1.0" encoding="shift_jis"?><x/>', "is not XML"),
        ('<?xml version="1.0" encoding="nonsense"?><x/>', "is not XML"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "refused: it defines XML entities"),
        (f"<x>{' ' * 2**24}</x>", "refused: expected at most 16777216 bytes of XML"),
    ],
)
def test_malformed_and_hostile_xml_is_an_error(product, text, why):
    (product / "MTD_MSIL2A.xml").write_text(text)
    with pytest.raises(ProductError, match=rf"MTD_MSIL2A\.xml: {why}"):
        _ = L2AProduct.open(product).name


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ("ULX", "1e400"),
        ("ULX", "1e9"),
        ("NROWS", "inf"),
        ("HORIZONTAL_CS_CODE", "EPSG:\u00b3\u00b2633"),
    ],
)
def test_a_number_that_places_no_tile_is_named_with_its_file(product, node, value):
    edit_node(next(product.glob("GRANULE/*/MTD_TL.xml")), node, value)
    with pytest.raises(ProductError, match=r"MTD_TL\.xml: "):
        L2AProduct.open(product).grid()


@pytest.mark.parametrize("value", ["", "1.5", "x", "1e400"])
def test_a_resolution_that_is_no_number_is_named_with_its_file(product, value):
    path = next(product.glob("GRANULE/*/MTD_TL.xml"))
    edit(path, '<Size resolution="10">', f'<Size resolution="{value}">')
    with pytest.raises(ProductError, match=r"MTD_TL\.xml: "):
        L2AProduct.open(product).grid()


def test_an_attribute_that_is_absent_is_named_with_its_file(product):
    edit(next(product.glob("GRANULE/*/MTD_TL.xml")), '<Size resolution="10">', "<Size>")
    with pytest.raises(ProductError, match=r"MTD_TL\.xml: <Size> lacks its attribute 'resolution'"):
        L2AProduct.open(product).grid()


@pytest.mark.parametrize("text", ["48 11 49", "48 11 49 nan 48 11", "480 11 49 12 48 11", "a b"])
def test_a_footprint_that_is_none_is_named_with_its_file(product, text):
    edit_node(product / "MTD_MSIL2A.xml", "EXT_POS_LIST", text)
    with pytest.raises(ProductError, match=r"MTD_MSIL2A\.xml: <EXT_POS_LIST> is not a list of coo"):
        L2AProduct.open(product).footprint()


@pytest.mark.parametrize("value", ["nan", "inf", "many"])
def test_a_share_that_is_no_number_is_named_with_its_file(product, value):
    path = product / "MTD_MSIL2A.xml"
    node = "NODATA_PIXEL_PERCENTAGE"
    edit_node(path, node, value)
    with pytest.raises(ProductError, match=rf"MTD_MSIL2A\.xml: <{node}> is '{value}', expected"):
        quality.check_quality(L2AProduct.open(product), TILE, REQUIRED)


def test_a_name_that_is_none_is_named_with_its_file(product):
    edit_node(product / "MTD_MSIL2A.xml", "PRODUCT_URI", "x.SAFE")
    with pytest.raises(ProductError, match=r"MTD_MSIL2A\.xml: 'x' is not a Sentinel-2"):
        _ = L2AProduct.open(product).name


def test_a_missing_band_is_named_with_where_it_belongs(product):
    next(product.glob("GRANULE/*/IMG_DATA/R20m/*_B8A_20m.jp2")).unlink()
    with pytest.raises(ProductError, match=r"band B8A has no image at its native 20 m; .*R20m"):
        L2AProduct.open(product).band_file("B8A")


def test_native_bands_are_taken_where_copies_exist(tmp_path, spec):
    spec = replace(spec, side_m=1200, resampled_copies=True)
    product = L2AProduct.open(write_product(tmp_path, spec))
    assert product.image("B02", 60) is not None
    folders = {band: product.band_file(band).parent.name for band in S2_BANDS}
    assert folders["B02"] == "R10m"
    assert folders["B01"] == folders["B09"] == "R60m"
    assert folders["B8A"] == "R20m"


def test_no_granule_or_several_is_an_error(product):
    granule = next(product.glob("GRANULE/*"))
    shutil.copytree(granule, granule.with_name("other"))
    with pytest.raises(ProductError, match="one granule, found 2"):
        L2AProduct.open(product)
    with pytest.raises(ProductError, match="one granule, found 0"):
        L2AProduct.open(product / "GRANULE")


@pytest.mark.parametrize(
    ("mission", "baseline"),
    [
        *(("S2A", "N0400"), ("S2B", "N0500"), ("S2C", "N0510"), ("S2C", "N0511"), ("S2D", "N0512")),
        ("S2C", "N9999"),  # by sen2cor
    ],
)
def test_offsets_by_band(tmp_path, mission, baseline):
    name = f"{mission}_MSIL2A_20250613T101031_{baseline}_R022_T33UUP_20250701T000000"
    spec = ProductSpec(name, 32633, 300_000, 5_400_000, side_m=1200, boa_offset=True)
    product = L2AProduct.open(write_product(tmp_path, spec))
    assert product.offsets() == dict.fromkeys(S2_BANDS, -1000)


@pytest.mark.parametrize(
    ("band_id", "value"), [("-1", "-1000"), ("99", "0"), ("1", "1e3"), ("1", "70000")]
)
def test_an_offset_that_is_none_is_named_with_its_file(tmp_path, band_id, value):
    name = "S2A_MSIL2A_20220613T101031_N0400_R022_T33UUP_20240101T000000"
    spec = ProductSpec(name, 32633, 300_000, 5_400_000, side_m=1200, boa_offset=True)
    path = write_product(tmp_path, spec) / "MTD_MSIL2A.xml"
    offset = '<BOA_ADD_OFFSET band_id="{}">{}</BOA_ADD_OFFSET>'
    edit(path, offset.format(1, -1000), offset.format(band_id, value))
    with pytest.raises(ProductError, match=r"MTD_MSIL2A\.xml: <BOA_ADD_OFFSET> is"):
        L2AProduct.open(path.parent).offsets()


def test_command_line(pristine_product, tmp_path):
    out = tmp_path / "a" / "q.json"
    quality.main(
        ["--product", str(pristine_product), "--tile", TILE, "--required", *REQUIRED]
        + ["--out", str(out)]
    )
    verdict = read_json(out)
    assert verdict["verdict"] == "accepted"
    assert verdict["grid"] == {"epsg": 32633, "x_min": 300000, "y_max": 5400000, "side_m": 4200}
    assert list(out.parent.iterdir()) == [out]
