"""Fixtures that all tests share."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from reben.synthetic import ProductSpec, write_product

# No deadline, since a busy machine may be slow. The same examples every time, so that a test
# fails only because of a change; `pytest --hypothesis-profile=search` searches for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("repeatable")

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of published data, not made by this project; see the README."""
    folder = os.environ.get("REBEN_REFERENCE")
    if not folder:
        pytest.skip("REBEN_REFERENCE is unset: no published data to compare with")
    return Path(folder)


@pytest.fixture(scope="session")
def spec() -> ProductSpec:
    """A tile of 3 x 3 patches and a remainder, with a nodata wedge on its left side."""
    return ProductSpec(
        f"{TILE}_20240101T000000", 32633, 300_000, 5_400_000, side_m=4200, nodata_wedge=0.25
    )


@pytest.fixture(scope="session")
def pristine_product(spec: ProductSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product of `spec`; tests that change it use `product`."""
    return write_product(tmp_path_factory.mktemp("products"), spec)


@pytest.fixture
def product(pristine_product: Path, tmp_path: Path) -> Path:
    """A copy of the product that a test may damage."""
    return Path(shutil.copytree(pristine_product, tmp_path / pristine_product.name))
