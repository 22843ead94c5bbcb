"""The table of products that a dataset is built from.

Tab-separated text with a header; columns and their meaning are in
``workflow/schemas/products.schema.json``. An empty cell is an absent value; empty lines and
lines that start with ``#`` are skipped.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import jsonschema

from reben.config.tsv import read_cells
from reben.domain.names import ProductName
from reben.runtime.errors import ConfigError, ProductError
from reben.runtime.files import write_text

_HINTS = {
    "product": "; expected a complete name, such as "
    "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608",
    "row": " (an empty cell, or cells that are not separated by tabs)",
}
_SCHEMA = Path(__file__).parents[2] / "schemas" / "products.schema.json"


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
_REQUIRED = ("product", "level", "source")


def read_products(path: str | os.PathLike[str]) -> dict[str, Product]:
    """Read and check a product table.

    Returns:
        The products by tile, sorted by tile.

    Raises:
        ConfigError: the table is unreadable, has other columns, a row breaks the schema, a
            name and its level disagree, or two rows are the same observation.
    """
    try:
        table = read_cells(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no product table {path}, seen from {Path.cwd()}. `products` in the config "
            "(snakemake --configfile mine.yaml) names it; config/README.md describes its columns"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the product table cannot be read ({error})") from error
    header = table[0][1] if table else []
    if len(set(header)) < len(header) or not set(_REQUIRED) <= set(header) <= set(COLUMNS):
        raise ConfigError(
            f"{path}: expected a header line with the columns {' '.join(_REQUIRED)} and any of "
            f"{' '.join(c for c in COLUMNS if c not in _REQUIRED)}, separated by tabs; found "
            f"{' | '.join(header) or 'nothing'}"
        )
    products: dict[str, Product] = {}
    observed: dict[str, Product] = {}
    for line, cells in table[1:]:
        product = _product(dict(zip(header, cells, strict=False)), f"{path}, line {line}")
        if any(cells[len(header) :]):
            raise ConfigError(
                f"{path}, line {line}: expected {len(header)} cells, found {len(cells)}: "
                f"{' | '.join(cells)}"
            )
        if (other := observed.setdefault(product.observation, product)) is not product:
            same = (
                f"both become tile {product.tile}"
                if other.tile == product.tile
                else f"are one observation, {product.observation} by mission, sensing time, orbit "
                "and tile, and each of its patches would be in the dataset twice"
            )
            raise ConfigError(
                f"{path}, line {line}: {product.product} and {other.product} {same}; keep one of "
                "them. Where they are two parts of a tile from two receiving stations, make a "
                "build of each"
            )
        products[product.tile] = product
    if not products:
        raise ConfigError(f"{path}: no products; expected one product per line below the header")
    return dict(sorted(products.items()))


def _is_zip(path: str) -> bool:
    return path.lower().endswith(".zip")


def _product(row: dict[str, str], where: str) -> Product:
    """The product of a row."""
    row = {column: cell for column, cell in row.items() if cell}
    # Report a wrong cell before an absent one, which may only follow from it.
    if flaws := sorted(_validator().iter_errors(row), key=lambda flaw: not flaw.path):
        column = "/".join(map(str, flaws[0].path)) or "row"
        hint = _HINTS.get(column, "; config/README.md explains the table")
        raise ConfigError(f"{where}, {column}: {flaws[0].message}{hint}")
    product = Product(**{**row, "product": row["product"].removesuffix(".SAFE")})
    try:
        level = ProductName.parse(product.product).level
    except ProductError as error:
        raise ConfigError(f"{where}, product: {error}") from error
    if level != product.level:
        raise ConfigError(f"{where}: level is {product.level}, but {product.product} is {level}")
    return product


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def write_products(path: str | os.PathLike[str], products: Iterable[Product]) -> None:
    """Write a product table, sorted by tile."""
    rows = [astuple(product) for product in sorted(products, key=lambda p: p.tile)]
    write_text(path, "".join("\t".join(row) + "\n" for row in (COLUMNS, *rows)))
