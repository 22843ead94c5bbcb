"""The files of all tiles as one word of a command line.

A command line has room for some hundred paths (Linux allows 128 KiB), but a dataset may have
thousands of tiles. So ``results/tables/patches/*.parquet`` stands for the tables of all tiles.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reben.config.tsv import read_cells
from reben.domain.names import ProductName
from reben.runtime.errors import ConfigError


class TilePaths(argparse.Action):
    """An option for paths; one with a ``*`` in its last part stands for the files of all tiles."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Store the list of paths."""
        named = [values] if isinstance(values, str) else values or []
        setattr(namespace, self.dest, [path for value in named for path in tile_paths(value)])


def tile_paths(value: str) -> list[Path]:
    """The paths that an argument stands for, sorted by tile.

    The tiles are those of the product table in ``REBEN_PRODUCTS``, which the workflow sets;
    files left by an earlier, longer table are ignored. If it is unset, all existing files
    are used.

    Raises:
        ConfigError: there is no file.
    """
    folder, name = os.path.split(value)
    before, star, after = name.partition("*")
    if not star:
        return [Path(value)]
    if table := os.environ.get("REBEN_PRODUCTS"):
        return [Path(folder, f"{before}{tile}{after}") for tile in _tiles(Path(table))]
    if found := sorted(Path(folder).glob(name)):
        return found
    raise ConfigError(f"{value}: expected a file for every tile, found none")


def _tiles(table: Path) -> list[str]:
    """The tiles of a product table that was already checked (see `reben.config.product_table`)."""
    (_, header), *rows = read_cells(table)
    at = header.index("product")
    return sorted(ProductName.parse(cells[at]).tile for _, cells in rows)
