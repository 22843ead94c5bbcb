"""Raster maps on the grid of a tile, compared with array indexing through pyproj."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import from_origin

from reben.domain.grid import TileSquare
from reben.land_cover import raster_map
from reben.land_cover.legend import Legend
from reben.land_cover.nomenclature import NO_CODE
from reben.land_cover.raster_map import TOLERANCE_PX
from reben.land_cover.raster_mosaic import RasterMosaic

#: Values are codes; 0 is nodata in the files.
LEGEND = Legend(
    "map", "", {v: v for v in range(1, 12)}, dict.fromkeys(range(1, 12), ("x", "#000000"))
)


@dataclass(frozen=True)
class Map:
    """A map to write: CRS, west, north, size of a pixel, columns, rows."""

    crs: str
    west: float
    north: float
    pixel: float
    width: int
    height: int

    @classmethod
    def around(cls, square: TileSquare, crs: str, pixel: float, size: int) -> "Map":
        """A map of a tile, its middle at no special place."""
        x_min, y_min, x_max, y_max = square.bounds
        to_map = Transformer.from_crs(square.crs, crs, always_xy=True)
        x, y = to_map.transform((x_min + x_max) / 2 + 3.7, (y_min + y_max) / 2 - 1.3)
        return cls(crs, x - pixel * size / 2, y + pixel * size / 2, pixel, size, size)

    def pixels(self, seed: int) -> NDArray[np.uint8]:
        """Noise: every pixel tells where it is; a twelfth is nodata."""
        return np.random.default_rng(seed).integers(0, 12, (self.height, self.width), np.uint8)

    def write(self, path: Path, seed: int) -> Path:
        pixels = self.pixels(seed)
        with rasterio.open(
            path, "w", driver="GTiff", width=self.width, height=self.height, count=1,
            dtype="uint8", crs=self.crs, nodata=0, compress="deflate", tiled=True,
            blockxsize=256, blockysize=256,
            transform=from_origin(self.west, self.north, self.pixel, self.pixel),
        ) as dataset:  # fmt: skip
            dataset.write(pixels, 1)
        return path


def oracle(
    square: TileSquare, maps: Sequence[Map], turn: float = 360
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """The codes of a tile pixel by pixel, and which centres lie on no edge of a map's pixels."""
    px = square.tile_px(10)
    steps = (np.arange(px) + 0.5) * 10
    x, y = np.meshgrid(square.x_min + steps, square.y_max - steps)
    codes, clear = np.zeros((px, px), np.uint16), np.ones((px, px), bool)
    for seed, a_map in enumerate(maps):
        to_map = Transformer.from_crs(square.crs, a_map.crs, always_xy=True)
        east, north = to_map.transform(x, y)
        for shift in (-turn, 0, turn) if to_map.target_crs.is_geographic else (0,):
            col, row = (
                (east + shift - a_map.west) / a_map.pixel,
                (a_map.north - north) / a_map.pixel,
            )
            i, j = np.floor(row).astype(int), np.floor(col).astype(int)
            inside = (i >= 0) & (i < a_map.height) & (j >= 0) & (j < a_map.width)
            found = np.where(
                inside,
                a_map.pixels(seed)[i.clip(0, a_map.height - 1), j.clip(0, a_map.width - 1)],
                0,
            )
            codes = np.where(codes == 0, found, codes)
            edge = np.minimum(np.abs(col - np.rint(col)), np.abs(row - np.rint(row)))
            clear &= edge > TOLERANCE_PX
    return np.where(codes == 0, NO_CODE, codes), clear


DEGREES = 1 / 12_000
NORTH = TileSquare(32633, 399_960, 5_400_000, 6000)
SOUTH = TileSquare(32733, 300_000, 8_000_020, 6000)
EQUATOR = TileSquare(32632, 199_980, 3000, 6000)
#: Across 180 degrees, in the zones on either side of it, at 65 degrees north.
EAST_OF_180 = TileSquare(32601, 355_000, 7_217_000, 6000)
WEST_OF_180 = TileSquare(32660, 638_000, 7_217_000, 6000)
#: Its western part lies in zone 31.
EDGE = TileSquare(32632, 276_000, 5_400_000, 6000)
CASES = {
    "degrees": (NORTH, [Map.around(NORTH, "EPSG:4326", DEGREES, 1400)]),
    "the projection of CLC+": (NORTH, [Map.around(NORTH, "EPSG:3035", 10, 700)]),
    "a fine map": (NORTH, [Map.around(NORTH, "EPSG:3857", 2.5, 3800)]),
    "a coarse map of the zone": (NORTH, [Map.around(NORTH, "EPSG:32633", 100, 70)]),
    "south": (SOUTH, [Map.around(SOUTH, "EPSG:4326", DEGREES, 900)]),
    "across the equator": (EQUATOR, [Map.around(EQUATOR, "EPSG:4326", DEGREES, 900)]),
    "at the edge of a zone, maps of both": (
        EDGE,
        [
            Map.around(EDGE, "EPSG:32631", 10, 300),
            Map("EPSG:32632", 275_000, 5_401_000, 10, 600, 800),
        ],
    ),
    "at 180 degrees, two maps that end there": (
        WEST_OF_180,
        [
            Map("EPSG:4326", 179.5, 65.1, 2 * DEGREES, 3000, 900),
            Map("EPSG:4326", -180.0, 65.1, 2 * DEGREES, 3000, 900),
        ],
    ),
    "at 180 degrees, one map across it": (
        EAST_OF_180,
        [Map("EPSG:4326", 179.5, 65.1, 2 * DEGREES, 6000, 900)],
    ),
    "at 180 degrees, a map from 0 to 360": (
        EAST_OF_180,
        [Map("EPSG:4326", 0.0, 65.1, 1 / 200, 72_000, 60)],
    ),
    "at 180 degrees, a map of the globe": (
        WEST_OF_180,
        [Map("EPSG:4326", -180.0, 65.1, 1 / 200, 72_000, 60)],
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("read_px", [40_000_000, 90_000], ids=["whole", "in parts"])
def test_a_tile_has_what_an_oracle_without_warper_says(
    name: str, read_px: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster_map, "_READ_PX", read_px)
    square, maps = CASES[name]
    files = [a_map.write(tmp_path / f"{i}.tif", i) for i, a_map in enumerate(maps)]
    found = RasterMosaic.open(files, LEGEND).clip(square).codes
    expected, clear = oracle(square, maps)
    assert (expected != NO_CODE).mean() > 0.5, "the case has data"
    assert clear.mean() > 0.9
    assert np.count_nonzero((found != expected) & clear) == 0


def test_an_equal_grid_is_copied(tmp_path: Path) -> None:
    square = TileSquare(32633, 399_960, 5_400_000, 6000)
    same = Map("EPSG:32633", 399_960, 5_400_000, 10, 600, 600)
    found = RasterMosaic.open([same.write(tmp_path / "a.tif", 0)], LEGEND).clip(square).codes
    pixels = same.pixels(0).astype(np.uint16)
    np.testing.assert_array_equal(found, np.where(pixels == 0, NO_CODE, pixels))
