"""Read a JPEG 2000 image from top to bottom, decoding every internal tile once.

A Sentinel-2 image is cut into internal tiles of 1024 px (10 m bands; other sizes in
other bands). Rows are requested in strips that end between tile borders; rows decoded
beyond a strip are kept for the next one. A complete product thus streams through a few
hundred megabytes.
"""

import os

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from reben.domain.grid import TileGrid
from reben.runtime.errors import RasterError
from reben.safe.jpeg2000_driver import jpeg2000_driver
from reben.storage.image_check import ImageForm
from reben.storage.raster_files import GTIFF, JPEG_2000, check_blocks, open_image

#: GDAL settings for streaming: no cache of decoded tiles, no listing of the folder.
GDAL_ENV = {
    "GDAL_CACHEMAX": 64,
    "GDAL_NUM_THREADS": 1,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}


class StripReader:
    """The rows of one image, in order. Not thread-safe.

    Args:
        path: the image.
        grid: expected grid of the tile.
        resolution_m: expected pixel size.
        dtype: expected type of the pixels.

    Raises:
        RasterError: the image cannot be opened or is not as expected.
        ToolError: GDAL has no driver for JPEG 2000.
    """

    def __init__(
        self, path: str | os.PathLike[str], grid: TileGrid, resolution_m: int, dtype: str = "uint16"
    ) -> None:
        self.path = path
        try:
            self._dataset = open_image(path, (JPEG_2000, GTIFF), jpeg2000_driver())
        except (OSError, RasterioError, RasterError) as error:
            raise RasterError(
                f"{path}: expected a JPEG 2000 image, but it cannot be opened ({error}); "
                "fetch or process the product again"
            ) from error
        form = ImageForm(grid.tile_px(resolution_m), grid.epsg, resolution_m, dtype)
        if flaw := form.flaw(self._dataset, (grid.x_min, grid.y_max)):
            raise RasterError(
                f"{path}: {flaw}; the granule's metadata disagrees, so the product mixes "
                "images of different products"
            )
        check_blocks(self._dataset)
        self.block_px: int = self._dataset.block_shapes[0][0]
        self._decoded = 0
        self._rest: NDArray[np.generic] = np.empty((0, self._dataset.width), dtype)

    def read(self, rows: int) -> NDArray[np.generic]:
        """The next `rows` rows: (rows, width).

        Raises:
            RasterError: the image is damaged.
        """
        missing = rows - len(self._rest)
        parts = [self._rest]
        if missing > 0:
            stop = -(-(self._decoded + missing) // self.block_px) * self.block_px
            stop = min(stop, self._dataset.height)
            window = Window(0, self._decoded, self._dataset.width, stop - self._decoded)
            try:
                parts.append(self._dataset.read(1, window=window))
            except RasterioError as error:
                raise RasterError(
                    f"{self.path}: expected {self._dataset.height} rows, but decoding fails "
                    f"between rows {self._decoded} and {stop}: the file is truncated or damaged "
                    f"({error}); fetch or process the product again"
                ) from error
            self._decoded = stop
        decoded = np.concatenate(parts) if len(parts[0]) else parts[-1]
        # A copy, so that neither the strip nor the rest keeps the other's array alive.
        self._rest = decoded[rows:].copy()
        return decoded[:rows]

    def close(self) -> None:
        """Close the image."""
        self._dataset.close()
