"""What tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference data, named by REBEN_REFERENCE."""
    root = os.environ.get("REBEN_REFERENCE")
    if not root:
        pytest.skip("REBEN_REFERENCE is not set: no reference data at hand")
    return Path(root)
