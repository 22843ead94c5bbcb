"""The identifiers, paths and times derived from a synthetic product's name."""

from datetime import timedelta

from reben.domain.names import parse_time
from reben.synthetic.spec import ProductSpec


class Identifiers:
    """The identifiers derived from a product's name (PSD, section 4.3)."""

    def __init__(self, spec: ProductSpec) -> None:
        product = spec.product
        self.spec, self.product = spec, product
        level, tile = product.level, f"T{product.mgrs}"
        # A made-up absolute orbit; real ones repeat the relative orbit every 143.
        self.absolute_orbit = 143 * 70 + int(product.orbit[1:])
        self.baseline = f"{product.baseline[1:3]}.{product.baseline[3:]}"
        self.granule = f"{level}_{tile}_A{self.absolute_orbit:06d}_{product.sensing}"
        self.datastrip = f"DS_REBN_{product.processing}_S{product.sensing}"
        station = f"REBN_{product.processing}"
        operation = f"{product.mission}_OPER_MSI_{level}"
        self.datastrip_id = f"{operation}_DS_{station}_S{product.sensing}_N{self.baseline}"
        self.granule_id = (
            f"{operation}_TL_{station}_A{self.absolute_orbit:06d}_{tile}_N{self.baseline}"
        )
        self.datatake = (
            f"G{product.mission}_{product.sensing}_{self.absolute_orbit:06d}_N{self.baseline}"
        )
        self.image_prefix = f"{tile}_{product.sensing}"

    def image(self, band: str, resolution_m: int) -> str:
        """An image's path in the product, without ``.jp2``."""
        folder = f"GRANULE/{self.granule}/IMG_DATA"
        if self.spec.is_l2a:
            name = f"{self.image_prefix}_{band}_{resolution_m}m"
            return f"{folder}/R{resolution_m}m/{name}"
        return f"{folder}/{self.image_prefix}_{band}"

    @property
    def sensing_iso(self) -> str:
        """Start of sensing as in the XML."""
        return iso(self.product.sensing)

    @property
    def processing_iso(self) -> str:
        """Time of processing as in the XML."""
        return iso(self.product.processing or "")


def iso(compact: str, seconds: int = 0) -> str:
    """A compact time plus some seconds, as ``2017-06-13T10:10:31.000Z``."""
    return f"{parse_time(compact) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.000Z"
