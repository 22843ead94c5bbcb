"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of published data that nobody on this project made; see the README."""
    folder = os.environ.get("REBEN_REFERENCE")
    if not folder:
        pytest.skip("REBEN_REFERENCE is unset: no published data to compare with")
    return Path(folder)
