"""The product table, by the name that scripts of the first version import: see `reben.config`."""

from reben.config.product_table import Product, read_products, write_products

__all__ = ["Product", "read_products", "write_products"]


if __name__ == "__main__":
    from reben.runtime.library import answer

    answer(__doc__)
