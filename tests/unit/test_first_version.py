"""Names that scripts of the first version import."""

import importlib

import pytest


@pytest.mark.parametrize("module", ["lmdb_store", "product_table", "tables"])
def test_scripts_of_the_first_version_find_what_they_import(module: str) -> None:
    old = importlib.import_module(f"reben.{module}")
    assert old.__all__
    assert [name for name in old.__all__ if not hasattr(old, name)] == []
