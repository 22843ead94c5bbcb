"""The specification of a synthetic product: its name, place and special features."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reben.domain.bands import PATCH_SIDE_M
from reben.domain.grid import TileGrid
from reben.domain.names import ProductName
from reben.runtime.errors import ConfigError

#: Quality indicators in the order of the real XML.
QUALITY_CHECKS = (
    "FORMAT_CORRECTNESS",
    "GENERAL_QUALITY",
    "GEOMETRIC_QUALITY",
    "RADIOMETRIC_QUALITY",
    "SENSOR_QUALITY",
)


@dataclass(frozen=True)
class ProductSpec:
    """A synthetic product, L1C or L2A according to its name.

    Attributes:
        name: full product name, with processing time, without ``.SAFE``.
        epsg: UTM zone.
        x_min: easting of the upper left corner, metres.
        y_max: northing of the upper left corner, metres.
        side_m: side of the tile in metres, a multiple of 60 (a real tile: 109,800).
        quality: indicators that are not PASSED, such as ``{"GEOMETRIC_QUALITY": "FAILED"}``.
        indicator_style: ``check`` for ``<quality_check checkType="X">``, ``flag`` for the
            ``<X_FLAG>`` of old baselines.
        boa_offset: declare an offset of -1000 and shift the values by +1000, as products
            of baseline 04.00 and later do.
        nodata_wedge: share of the tile, on its left side, that was not sensed.
        cloud_fraction: share of the tile that is cloud or cirrus.
        snow_fraction: share of the tile that is snow.
        scl: write the scene classification (L2A only).
        resampled_copies: write the copies at coarser resolutions that later baselines
            have and that readers must not use (L2A only).
        seed: seed of the land and the weather.
    """

    name: str
    epsg: int
    x_min: int
    y_max: int
    side_m: int = 109_800
    quality: dict[str, str] = field(default_factory=dict)
    indicator_style: Literal["check", "flag"] = "check"
    boa_offset: bool = False
    nodata_wedge: float = 0.0
    cloud_fraction: float = 0.0
    snow_fraction: float = 0.0
    scl: bool = True
    resampled_copies: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.product.processing is None or self.name.endswith(".SAFE"):
            raise ConfigError(f"{self.name!r}: expected a product name with processing time")
        if self.side_m <= 0 or self.side_m % 60:
            raise ConfigError(f"side_m is {self.side_m}; expected a positive multiple of 60")
        for key in ("nodata_wedge", "cloud_fraction", "snow_fraction"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key} is {getattr(self, key)}; expected 0 to 1")
        unknown = sorted(set(self.quality) - {*QUALITY_CHECKS, "L2A_QUALITY"})
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is not a quality indicator; known: {QUALITY_CHECKS}")

    @property
    def product(self) -> ProductName:
        """The parsed name."""
        return ProductName.parse(self.name)

    @property
    def is_l2a(self) -> bool:
        """Whether the product is an L2A product."""
        return self.product.level == "L2A"

    @property
    def grid(self) -> TileGrid:
        """The tile's patches; a tile smaller than a BigEarthNet patch is one patch."""
        return TileGrid(
            self.epsg, self.x_min, self.y_max, self.side_m, min(PATCH_SIDE_M, self.side_m)
        )

    @property
    def place(self) -> tuple[int, int, int, int, int]:
        """The seed of the land."""
        return self.seed, self.epsg, self.x_min, self.y_max, self.side_m

    def unsensed(self, resolution_m: int) -> NDArray[np.bool_]:
        """Pixels beyond the slanted edge of the swath.

        The edge is drawn on the 60 m grid, so that all bands agree on it.

        Returns:
            (size, size) bool.
        """
        size_px = self.side_m // 60
        slant = min(self.nodata_wedge, 1 - self.nodata_wedge) / 2
        centre = (np.arange(size_px) + 0.5) / size_px
        edge = self.nodata_wedge + slant * (1 - 2 * centre)
        mask = centre[None, :] < edge[:, None]
        factor = 60 // resolution_m
        return mask.repeat(factor, axis=0).repeat(factor, axis=1)
