"""All available real metadata, every field that the project uses, against golden values.

The values were taken from the XML by regular expressions and by eye, not by reben.safe.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from reben.domain.bands import RESOLUTION_M
from reben.domain.names import ProductName
from reben.quality import check_quality
from reben.runtime.errors import ProductError
from reben.safe.metadata import L2AProduct
from reben.safe.xml_file import Metadata

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "golden_safe.json").read_text()
)
#: Fields that the verdict copies from the XML.
_AS_THEY_ARE = (
    "indicators",
    "cloud_cover_percent",
    "nodata_percent",
    "processing_baseline",
    "relative_orbit",
    "sensing_time",
)


def test_every_l2a_product_at_hand_is_golden(reference: Path) -> None:
    found = {path.parent.name for path in (reference / "safe").glob("*/MTD_MSIL2A.xml")}
    assert found == set(GOLDEN)
    assert len({ProductName.parse(value["name"]).baseline for value in GOLDEN.values()}) == 5


@pytest.mark.parametrize("folder", sorted(GOLDEN))
def test_metadata_is_golden(reference: Path, folder: str) -> None:
    golden = GOLDEN[folder]
    path = reference / "safe" / folder
    # One of them has its granule's XML next to the product's.
    granules = list(path.glob("GRANULE/*"))
    product = L2AProduct.open(path) if granules else L2AProduct(path, path)
    verdict = check_quality(product, ProductName.parse(folder).tile, sorted(golden["indicators"]))
    ring = product.footprint()
    lon, lat = zip(*ring, strict=True)
    failed = [f"{k}={v}" for k, v in golden["indicators"].items() if v != "PASSED"]
    assert verdict.to_dict() == {
        "tile": ProductName.parse(golden["name"]).tile,
        "product": golden["name"],
        "verdict": "rejected" if failed else "accepted",
        "reasons": failed,
        "boa_add_offset": dict.fromkeys(RESOLUTION_M, golden["offset"]),
        "footprint_lon_lat": ring,
        "grid": {
            "epsg": golden["epsg"],
            "x_min": golden["corner"][0],
            "y_max": golden["corner"][1],
            "side_m": golden["side_m"],
        },
        # The reference has only the metadata of these products: no image, no checksum.
        "image_checksums": "unchecked",
        **{key: golden[key] for key in _AS_THEY_ARE},
    }
    assert len(ring) == golden["footprint_points"]
    assert list(ring[0]) == golden["footprint_first"]
    assert [min(lon), min(lat), max(lon), max(lat)] == golden["footprint_bounds"]
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
