"""All real metadata at hand, every field that the project uses, against golden values.

The values were taken from the XML by regular expressions and by eye, not by reben.safe.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from reben.bands import RESOLUTION_M
from reben.errors import ProductError
from reben.names import ProductName
from reben.safe.metadata import L2AProduct, Metadata

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "golden_safe.json").read_text()
)


def test_every_l2a_product_at_hand_is_golden(reference: Path) -> None:
    found = {path.parent.name for path in (reference / "safe").glob("*/MTD_MSIL2A.xml")}
    assert found == set(GOLDEN)
    assert len({ProductName.parse(value["name"]).baseline for value in GOLDEN.values()}) == 5


@pytest.mark.parametrize("folder", sorted(GOLDEN))
def test_metadata_is_golden(reference: Path, folder: str) -> None:
    golden = GOLDEN[folder]
    path = reference / "safe" / folder
    # One of them has its granule's XML beside the product's.
    granules = list(path.glob("GRANULE/*"))
    product = L2AProduct.open(path) if granules else L2AProduct(path, path)
    grid, ring = product.grid(), product.footprint()
    lon, lat = zip(*ring, strict=True)
    assert {
        "name": product.name,
        "indicators": product.indicators(),
        "epsg": grid.epsg,
        "side_m": grid.side_m,
        "corner": [grid.x_min, grid.y_max],
        "footprint_points": len(ring),
        "footprint_first": list(ring[0]),
        "footprint_bounds": [min(lon), min(lat), max(lon), max(lat)],
    } == {
        key: golden[key]
        for key in (
            "name",
            "indicators",
            "epsg",
            "side_m",
            "corner",
            "footprint_points",
            "footprint_first",
            "footprint_bounds",
        )
    }
    assert product.offsets() == dict.fromkeys(RESOLUTION_M, golden["offset"])
    assert ring[0] == ring[-1]
    for band in RESOLUTION_M:
        expected = golden["native_images"].get(band)
        if expected is not None:
            assert product.band_file(band).name == expected
        else:
            with pytest.raises(ProductError, match=f"band {band} has no image"):
                product.band_file(band)
    classes = product.image("SCL", 20)
    assert (classes.name if classes else None) == golden["scl"]


def test_l1c_metadata_parses(reference: Path) -> None:
    name = "S2B_MSIL1C_20230823T095559_N0509_R122_T34UCF_20230823T120234"
    safe = reference / "safe" / f"{name}.SAFE"
    assert Metadata(safe / "MTD_MSIL1C.xml").text("PRODUCT_URI") == f"{name}.SAFE"
    [granule] = safe.glob("GRANULE/*/MTD_TL.xml")
    assert Metadata(granule).text("HORIZONTAL_CS_CODE") == "EPSG:32634"
    assert Metadata(granule).number("ULX") == 300000
