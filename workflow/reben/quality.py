"""Step check_quality: judge a product by its own metadata.

In: an L2A product folder. Out: a JSON with the verdict and what the metadata says.
A product is rejected unless every required indicator is PASSED (BigEarthNet v2 requires
GENERAL, GEOMETRIC, RADIOMETRIC and SENSOR quality). A rejected product is data, not an
error: later steps write empty outputs for it.
"""

import logging
from collections.abc import Sequence

from reben.domain.names import ProductName
from reben.domain.verdict import UNCHECKED, Verdict
from reben.runtime import cli
from reben.runtime.errors import ProductError
from reben.safe.manifest import MANIFEST, stated_images
from reben.safe.metadata import L2AProduct

log = logging.getLogger(__name__)


def failed(indicators: dict[str, str], required: Sequence[str]) -> list[str]:
    """The required indicators that are not PASSED, as ``NAME=VALUE``."""
    return [f"{name}={indicators[name]}" for name in required if indicators[name] != "PASSED"]


def judge(product: L2AProduct, required: Sequence[str]) -> list[str]:
    """The required indicators that are not PASSED, as ``NAME=VALUE``.

    Raises:
        ProductError: a required indicator is missing.
    """
    indicators = product.indicators()
    absent = [name for name in required if name not in indicators]
    if absent:
        raise ProductError(
            f"{product.path}: required quality indicators {absent} are absent; the product has "
            f"{sorted(indicators)}. Correct `quality.required` or fetch the product again"
        )
    return failed(indicators, required)


def check_quality(product: L2AProduct, tile: str, required: Sequence[str]) -> Verdict:
    """The verdict on a product.

    Args:
        product: the product folder.
        tile: the tile that the product should be.
        required: indicators that must be PASSED.

    Raises:
        ProductError: a node is missing, or the product is not `tile`.
    """
    name = ProductName.parse(product.name)
    if name.tile != tile:
        raise ProductError(
            f"{product.path}: expected tile {tile}, its metadata says {product.name}; "
            "correct the product table"
        )
    metadata = product.product_metadata
    reasons = judge(product, required)
    images = product.images().values()
    checked = bool(images) and len(stated_images(product.path, images)) == len(images)
    return Verdict(
        tile=tile,
        product=product.name,
        accepted=not reasons,
        reasons=reasons,
        indicators=product.indicators(),
        cloud_cover_percent=metadata.number("Cloud_Coverage_Assessment"),
        nodata_percent=metadata.number("NODATA_PIXEL_PERCENTAGE"),
        processing_baseline=metadata.text("PROCESSING_BASELINE"),
        relative_orbit=int(metadata.number("SENSING_ORBIT_NUMBER")),
        sensing_time=product.granule_metadata.text("SENSING_TIME"),
        boa_add_offset=product.offsets(),
        footprint_lon_lat=product.footprint(),
        square=product.square(),
        image_checksums=MANIFEST if checked else UNCHECKED,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Judge one product."""
    parser = cli.parser(__doc__)
    parser.add_argument("--product", required=True, help="L2A .SAFE folder")
    parser.add_argument("--tile", required=True, help="expected tile")
    parser.add_argument("--required", nargs="*", default=[], help="indicators that must be PASSED")
    parser.add_argument("--out", required=True, help="JSON")
    args = parser.parse_args(argv)

    verdict = check_quality(L2AProduct.open(args.product), args.tile, args.required)
    verdict.write(args.out)
    log.info("%s: %s %s", args.tile, verdict.word, " ".join(verdict.reasons))
    if verdict.image_checksums == UNCHECKED:
        log.warning("%s: its images are unchecked, for want of checksums", args.tile)


if __name__ == "__main__":
    cli.run(main)
