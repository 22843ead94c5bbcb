"""The table of products that a dataset is built from.

Tab-separated text with a header; columns and their meaning are in
``workflow/schemas/products.schema.json``. An empty cell is an absent value.
"""

import csv
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import jsonschema

from reben.errors import ConfigError
from reben.files import write_text
from reben.names import ProductName

_HINTS = {
    "product": "; expected a whole name, such as "
    "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608",
    "row": " (an empty cell, or cells that are not separated by tabs)",
}
_SCHEMA = Path(__file__).parents[1] / "schemas" / "products.schema.json"


@dataclass(frozen=True)
class Product:
    """A row of the product table.

    Attributes:
        product: name without ``.SAFE``.
        level: ``L1C`` or ``L2A``.
        source: ``local`` or ``cdse``.
        path: folder or zip (source local), relative to where the workflow runs.
        id: CDSE product id (source cdse).
        size: bytes of the archive, as digits.
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
        """The tile that this product becomes (see `reben.names`)."""
        return ProductName.parse(self.product).tile

    @property
    def is_used_in_place(self) -> bool:
        """Whether it is an L2A folder on this machine, which nothing needs to fetch or make."""
        return self.level == "L2A" and self.source == "local" and not self.path.endswith(".zip")


COLUMNS = tuple(field.name for field in fields(Product))


def read_products(path: str | os.PathLike[str]) -> dict[str, Product]:
    """Read and check a product table.

    Returns:
        The products by tile, sorted by tile.

    Raises:
        ConfigError: the table is unreadable, a row breaks the schema, a name and its
            level disagree, or two rows become the same tile.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no product table {path}, seen from {Path.cwd()}. `products` in the config "
            "(snakemake --configfile mine.yaml) names it; config/README.md says what it holds"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the product table cannot be read ({error})") from error
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", restkey="", restval="")
    header = reader.fieldnames or []
    if set(header) - set(COLUMNS) or not set(header) >= {"product", "level", "source"}:
        raise ConfigError(
            f"{path}: expected a header with the columns {' '.join(COLUMNS)} (the first three at "
            f"least), separated by tabs; found {header}"
        )
    products: dict[str, Product] = {}
    for line, raw in enumerate(reader, start=2):
        row = {key: value.strip() for key, value in raw.items() if value and value.strip()}
        where = f"{path}, line {line}"
        # A wrong cell is told before an absent one, which may only follow from it.
        if flaws := sorted(validator.iter_errors(row), key=lambda flaw: not flaw.path):
            column = "/".join(map(str, flaws[0].path)) or "row"
            raise ConfigError(f"{where}, {column}: {flaws[0].message}{_HINTS.get(column, '')}")
        product = Product(**{**row, "product": row["product"].removesuffix(".SAFE")})
        name = ProductName.parse(product.product)
        if name.level != product.level:
            raise ConfigError(
                f"{where}: level is {product.level}, but {product.product} is {name.level}"
            )
        if (other := products.get(name.tile)) is not None:
            raise ConfigError(
                f"{where}: {product.product} and {other.product} both become tile {name.tile}; "
                "keep one of them"
            )
        products[name.tile] = product
    if not products:
        raise ConfigError(f"{path}: no products; expected a header line and one product a line")
    return dict(sorted(products.items()))


def write_products(path: str | os.PathLike[str], products: Iterable[Product]) -> None:
    """Write a product table, sorted by tile."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(product) for product in sorted(products, key=lambda p: p.tile))
    write_text(path, buffer.getvalue())
