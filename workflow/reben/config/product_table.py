"""The table of products that a dataset is built from.

Tab-separated text with a header; columns and their meaning are in
``workflow/schemas/products.schema.json``. An empty cell is an absent value; empty lines and
lines that start with ``#`` are skipped.
"""

import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from reben.config.schema_rows import read_rows
from reben.domain.names import ProductName
from reben.runtime.errors import ConfigError, ProductError
from reben.runtime.files import write_text

_HINTS = {
    "product": "; expected a complete name, such as "
    "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608",
}


@dataclass(frozen=True)
class Product:
    """A row of the product table.

    Attributes:
        product: name without ``.SAFE``.
        level: ``L1C`` or ``L2A``.
        source: ``local`` or ``cdse``.
        path: folder or zip (source local), relative to where the workflow runs.
        id: CDSE product id (source cdse).
        size: size of the archive in bytes, as digits.
        checksum: ``algorithm:hexdigest`` of the archive.
        s3_path: folder in the CDSE object store.
    """

    product: str
    level: str
    source: str
    path: str = ""
    id: str = ""
    size: str = ""
    checksum: str = ""
    s3_path: str = ""

    @property
    def tile(self) -> str:
        """The tile that this product becomes (see `reben.domain.names`)."""
        return ProductName.parse(self.product).tile

    @property
    def observation(self) -> str:
        """What it shows (see `reben.domain.names`)."""
        return ProductName.parse(self.product).observation

    @property
    def is_used_in_place(self) -> bool:
        """Whether it is an L2A folder on this machine, so that nothing is fetched or made."""
        return self.level == "L2A" and self.source == "local" and not _is_zip(self.path)


COLUMNS = tuple(field.name for field in fields(Product))


def read_products(path: str | os.PathLike[str]) -> dict[str, Product]:
    """Read and check a product table.

    Returns:
        The products by tile, sorted by tile.

    Raises:
        ConfigError: the table is unreadable, has other columns, a row breaks the schema, a
            name and its level disagree, or two rows are the same observation.
    """
    products: dict[str, Product] = {}
    observed: dict[str, Product] = {}
    for where, row in read_rows(path, "products", "products", _HINTS):
        product = _product(row, where)
        if (other := observed.setdefault(product.observation, product)) is not product:
            same = (
                f"both become tile {product.tile}"
                if other.tile == product.tile
                else f"are one observation, {product.observation} by mission, sensing time, orbit "
                "and tile, and each of its patches would be in the dataset twice"
            )
            raise ConfigError(
                f"{where}: {product.product} and {other.product} {same}; keep one of "
                "them. Where they are two parts of a tile from two receiving stations, make a "
                "build of each"
            )
        products[product.tile] = product
    return dict(sorted(products.items()))


def _is_zip(path: str) -> bool:
    return path.lower().endswith(".zip")


def _product(row: dict[str, str], where: str) -> Product:
    """The product of a row."""
    product = Product(**{**row, "product": row["product"].removesuffix(".SAFE")})
    try:
        level = ProductName.parse(product.product).level
    except ProductError as error:
        raise ConfigError(f"{where}, product: {error}") from error
    if level != product.level:
        raise ConfigError(f"{where}: level is {product.level}, but {product.product} is {level}")
    return product


def write_products(path: str | os.PathLike[str], products: Iterable[Product]) -> None:
    """Write a product table, sorted by tile."""
    rows = [astuple(product) for product in sorted(products, key=lambda p: p.tile)]
    write_text(path, "".join("\t".join(row) + "\n" for row in (COLUMNS, *rows)))
