"""The position of a tile and its patches on the ground.

A tile is a square in a WGS 84 / UTM zone. Its patches are cut from the upper left
corner; the rest at the right and lower edge, less than a patch, is dropped.
Everything is in metres and derived from the raster, so small tiles work the same way.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reben.domain.bands import PATCH_SIDE_M
from reben.domain.names import patch_id
from reben.runtime.errors import ConfigError


@dataclass(frozen=True)
class TileSquare:
    """The place of a tile.

    Attributes:
        epsg: code of the UTM zone, 32601 to 32760.
        x_min: easting of the upper left corner, metres.
        y_max: northing of the upper left corner, metres.
        tile_side_m: side of the tile, metres (109,800 for a real one).
    """

    epsg: int
    x_min: int
    y_max: int
    tile_side_m: int

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "TileSquare":
        """The place as returned by `to_dict`."""
        return TileSquare(value["epsg"], value["x_min"], value["y_max"], value["side_m"])

    def to_dict(self) -> dict[str, int]:
        """The place without the patches, for JSON: ``epsg, x_min, y_max, side_m``."""
        return {
            "epsg": self.epsg,
            "x_min": self.x_min,
            "y_max": self.y_max,
            "side_m": self.tile_side_m,
        }

    def grid(self, patch_side_m: int) -> "TileGrid":
        """The tile with patches of this side, metres.

        Raises:
            ConfigError: no such patch fits it, or its side is no number of pixels in every band.
        """
        return TileGrid(self.epsg, self.x_min, self.y_max, self.tile_side_m, patch_side_m)

    @property
    def crs(self) -> str:
        """The zone as ``EPSG:32633``."""
        return f"EPSG:{self.epsg}"

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """The tile: (x_min, y_min, x_max, y_max), metres."""
        side = self.tile_side_m
        return self.x_min, self.y_max - side, self.x_min + side, self.y_max

    def tile_px(self, resolution_m: int) -> int:
        """Pixels along the tile's side at `resolution_m`."""
        return self.tile_side_m // resolution_m


@dataclass(frozen=True)
class TileGrid(TileSquare):
    """The place of a tile and of the patches in it.

    Attributes:
        patch_side_m: side of a patch, metres; a multiple of 60.
    """

    patch_side_m: int = PATCH_SIDE_M

    def __post_init__(self) -> None:
        if self.patch_side_m <= 0 or self.patch_side_m % 60:
            raise ConfigError(
                f"patches.side_m is {self.patch_side_m}; expected a positive multiple of 60 m, "
                "so that a patch is a whole number of pixels in every band"
            )
        if self.tile_side_m < self.patch_side_m:
            raise ConfigError(
                f"the tile is {self.tile_side_m} m wide, smaller than a patch of "
                f"{self.patch_side_m} m"
            )

    @property
    def count(self) -> int:
        """Patches along each side (91 for a real tile)."""
        return self.tile_side_m // self.patch_side_m

    def patch_px(self, resolution_m: int) -> int:
        """Pixels along a patch's side at `resolution_m`."""
        return self.patch_side_m // resolution_m

    def corner(self, col: int, row: int) -> tuple[int, int]:
        """The upper left corner (x, y) of a patch, metres."""
        return self.x_min + col * self.patch_side_m, self.y_max - row * self.patch_side_m

    def columns_and_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns and rows of all patches in the order of their names: (count²,) each."""
        # From 100, numbers have more digits and sort among the others.
        cols = sorted(range(self.count), key=lambda col: f"{col:02d}_")
        rows = sorted(range(self.count), key=lambda row: f"{row:02d}")
        return np.repeat(cols, self.count), np.tile(rows, self.count)

    def patch_ids(self, tile: str) -> list[str]:
        """The names of all patches, sorted."""
        return [
            patch_id(tile, int(c), int(r)) for c, r in zip(*self.columns_and_rows(), strict=True)
        ]
