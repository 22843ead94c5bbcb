"""Images are read from top to bottom in strips of any height, each internal tile once."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reben.domain.grid import TileGrid
from reben.safe.jpeg2000 import StripReader
from reben.synthetic.raster import write_raster

GRID = TileGrid(32633, 300_000, 5_400_000, 4200)
BLOCK_PX = 64


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.uint16]]:
    """420 x 420 px in tiles of 64, the last of which are cut."""
    path = tmp_path_factory.mktemp("image") / "x.tif"
    pixels = np.random.default_rng(0).integers(1, 9999, (420, 420), dtype="uint16")
    options = {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX}
    write_raster(path, pixels, 32633, (300_000, 5_400_000), 10, **options)
    return path, pixels


class Recorder:
    """An open image that records which rows are requested."""

    def __init__(self, dataset: rasterio.io.DatasetReader) -> None:
        self.dataset, self.rows = dataset, list[tuple[int, int]]()
        self.width, self.height = dataset.width, dataset.height

    def read(self, band: int, window: rasterio.windows.Window) -> NDArray[np.uint16]:
        self.rows.append((window.row_off, window.row_off + window.height))
        return self.dataset.read(band, window=window)  # type: ignore[no-any-return]


@settings(max_examples=60)
@given(heights=st.lists(st.integers(1, 200), min_size=1, max_size=12))
def test_strips_of_any_height_make_the_image(
    image: tuple[Path, NDArray[np.uint16]], heights: list[int]
) -> None:
    path, pixels = image
    reader = StripReader(path, GRID, 10)
    reader._dataset = recorder = Recorder(reader._dataset)
    top = 0
    for height in heights:
        if top + height > len(pixels):
            break
        np.testing.assert_array_equal(reader.read(height), pixels[top : top + height])
        top += height
    recorder.dataset.close()
    # Pieces are consecutive and end with a row of internal tiles: none is decoded twice.
    starts, stops = [a for a, _ in recorder.rows], [b for _, b in recorder.rows]
    assert starts == [0, *stops][: len(starts)]
    assert all(stop % BLOCK_PX == 0 or stop == len(pixels) for stop in stops)
    # And none is decoded before it is needed.
    assert not stops or stops[-1] - top < BLOCK_PX
