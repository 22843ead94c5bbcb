"""The configuration, beyond what its JSON Schema can say.

Checked when the workflow is read, before the first job: contradictions between keys, and
inputs that are not there.
"""

from pathlib import Path
from typing import Any

from reben.errors import ConfigError
from reben.nomenclature import read_nomenclature
from reben.product_table import Product, read_products
from reben.split import frame_widths

#: Side of the patches of BigEarthNet v1, metres.
_V1_SIDE_M = 1200


def check_settings(config: dict[str, Any]) -> dict[str, Product]:
    """Check the configuration and read the product table.

    Args:
        config: as validated by ``workflow/schemas/config.schema.json``.

    Returns:
        The products by tile.

    Raises:
        ConfigError: keys contradict each other, or a table is malformed.
    """
    frame_widths(config["split"]["p"], config["split"]["q"])
    if config["patches"]["side_m"] % 60:
        raise ConfigError(
            f"patches.side_m is {config['patches']['side_m']}; expected a multiple of 60, so that "
            "a patch is whole pixels in every band"
        )
    if config["alignment"]["pairs"] and config["patches"]["side_m"] != _V1_SIDE_M:
        raise ConfigError(
            f"patches.side_m is {config['patches']['side_m']}; expected {_V1_SIDE_M} with "
            "alignment.pairs, for BigEarthNet v1 counts its columns and rows in such patches"
        )
    read_nomenclature(config["labels"]["nomenclature"])
    products = read_products(config["products"])
    for key, path in (_inputs(config, products) | {"results": config["results"]}).items():
        if "{" in path or "}" in path:
            raise ConfigError(
                f"{key} is {path!r}; expected a path without braces, which Snakemake takes for "
                "wildcards. Rename the folder, or link to it under another name"
            )
    return products


def named_inputs(config: dict[str, Any]) -> dict[str, str]:
    """The files and folders that the configuration names, by key; without the products."""
    paths = {
        "products": config["products"],
        "corine.path": config["corine"]["path"],
        "labels.nomenclature": config["labels"]["nomenclature"],
        "countries.path": config["countries"]["path"],
        "alignment.pairs": config["alignment"]["pairs"],
        "sentinel1.root": config["sentinel1"]["root"],
        "snow_cloud.seasonal_snow": config["snow_cloud"]["seasonal_snow"],
        "snow_cloud.cloud_or_shadow": config["snow_cloud"]["cloud_or_shadow"],
        "sen2cor.gipp": config["sen2cor"]["gipp"],
    }
    return {key: path for key, path in paths.items() if path}


def absent_inputs(config: dict[str, Any], products: dict[str, Product]) -> list[str]:
    """The inputs that the configuration names and that are not there, as ``key: path``."""
    inputs = _inputs(config, products)
    return [f"{key}: {path}" for key, path in inputs.items() if not Path(path).exists()]


def _inputs(config: dict[str, Any], products: dict[str, Product]) -> dict[str, str]:
    """The paths of all inputs, by key or row of the product table."""
    return named_inputs(config) | {
        f"{config['products']}, {p.product}": p.path for p in products.values() if p.path
    }
