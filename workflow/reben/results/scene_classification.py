"""The scene classification (SCL, sen2cor) of the patches of a finished build.

In: the products that its patches were cut from, as far as they are still there. Out: the classes of
a patch. It takes a few internal tiles of the image, not the whole. The image is opened without the
XML of its product, which has said all that is needed in the verdict.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from reben.domain.grid import TileGrid
from reben.domain.shares import SCL_M
from reben.domain.verdict import Verdict
from reben.memory.record import inputs_read
from reben.results.finished import FinishedBuild
from reben.results.layout import Layout
from reben.runtime.errors import RasterError
from reben.storage.image_check import ImageForm
from reben.storage.raster_files import GTIFF, JPEG_2000, check_blocks, open_image

log = logging.getLogger(__name__)

_SCL = f"GRANULE/*/IMG_DATA/R{SCL_M}m/*_SCL_{SCL_M}m.jp2"


class SceneClassification:
    """The scene classification of one product, or none.

    Args:
        image: the open image, None where there is none.
        grid: of its patches.
    """

    def __init__(self, image: rasterio.io.DatasetReader | None, grid: TileGrid) -> None:
        self._image, self._grid = image, grid

    def of_patch(self, col: int, row: int) -> NDArray[np.uint8] | None:
        """The classes of a patch, (rows, columns); None where no image can be read."""
        if self._image is None:
            return None
        side = self._grid.patch_px(SCL_M)
        window = Window(col * side, row * side, side, side)
        try:
            return np.asarray(self._image.read(1, window=window))
        except RasterioError as error:
            log.warning("%s: left out, since it cannot be decoded: %s", self._image.name, error)
            return None


@contextmanager
def scene_classification(build: FinishedBuild, verdict: Verdict) -> Iterator[SceneClassification]:
    """The scene classification of a tile; without classes where its product is gone or damaged."""
    grid = build.grid(verdict)
    path = _image_of(build.layout, verdict.tile)
    image = None
    try:
        image = None if path is None else _open(path, grid)
    except (RasterError, RasterioError, OSError) as error:
        log.warning("%s: no scene classification is shown: %s", path, error)
    try:
        yield SceneClassification(image, grid)
    finally:
        if image is not None:
            image.close()


def _image_of(layout: Layout, tile: str) -> Path | None:
    """The image in the product that was read when the patches of a tile were cut."""
    read = inputs_read(layout.root, "product", ["make_patches"], [tile])
    for folder in (layout.l2a(tile), *(Path(entry["path"]) for entry in read.values())):
        for path in folder.glob(_SCL):
            return path
    return None


def _open(path: Path, grid: TileGrid) -> rasterio.io.DatasetReader:
    image = open_image(path, (JPEG_2000, GTIFF))
    form = ImageForm(grid.tile_px(SCL_M), grid.epsg, SCL_M, "uint8")
    if flaw := form.flaw(image, (grid.x_min, grid.y_max)):
        raise RasterError(f"{path}: {flaw}; it is of another product than the patches")
    check_blocks(image)
    return image
