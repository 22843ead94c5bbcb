"""One command-line argument stands for the files of all tiles of the product table."""

import argparse
from pathlib import Path

import pytest

from reben.config.product_table import Product, read_products, write_products
from reben.results.tile_paths import TilePaths
from reben.runtime.errors import ConfigError

NAMES = [
    f"S2A_MSIL1C_20170613T101031_N0205_R022_T33U{letters}_20170613T101608"
    for letters in ("VP", "UP")
]


def parse(*words: str) -> list[Path]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--patches", nargs="+", action=TilePaths, default=[])
    paths: list[Path] = parser.parse_args(words).patches
    return paths


def test_a_star_stands_for_the_tiles_of_the_table_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "products.tsv"
    write_products(table, [Product(name, "L1C", "local", "x") for name in NAMES])
    table.write_text("\ufeff# mine\n\n" + table.read_text())
    (tmp_path / "of_an_earlier_table.parquet").touch()
    monkeypatch.setenv("REBEN_PRODUCTS", str(table))
    paths = parse("--patches", f"{tmp_path}/*.parquet", "also.parquet")
    tiles = list(read_products(table))
    assert paths == [*(tmp_path / f"{tile}.parquet" for tile in tiles), Path("also.parquet")]


def test_without_a_table_a_star_stands_for_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REBEN_PRODUCTS", raising=False)
    for name in ("b.parquet", "a.parquet", "a.json"):
        (tmp_path / name).touch()
    paths = parse("--patches", f"{tmp_path}/*.parquet")
    assert paths == [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    with pytest.raises(ConfigError, match=r"\*\.csv: expected a file for every tile, found none"):
        parse("--patches", f"{tmp_path}/*.csv")


def test_no_option_no_paths() -> None:
    assert parse() == []
