"""The land cover of one tile as a raster of codes on the tile's 10 m grid.

In: codes that `reben.land_cover.raster_mosaic` took from a map. Out: a GeoTIFF that depends only
on place and codes, the twin of the polygons of `reben.land_cover.corine_polygons.Clip`.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.grid import TileSquare
from reben.runtime.errors import RasterError
from reben.runtime.files import atomic_file
from reben.storage.raster_files import GTIFF, check_blocks, open_image

#: Side of its internal tiles in pixels.
_BLOCK_PX = 512


@dataclass(frozen=True)
class RasterClip:
    """The land cover of one tile.

    Attributes:
        square: the tile.
        codes: (tile_px, tile_px) uint16; `NO_CODE` where there is none. Of a tile without
            patches, a single pixel.
        remarks: what to say of it.
    """

    suffix: ClassVar[str] = ".tif"

    square: TileSquare
    codes: NDArray[np.uint16]
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: str | os.PathLike[str], square: TileSquare) -> "RasterClip":
        """Read a clip that `write` wrote.

        Raises:
            RasterError: it is missing, unreadable, or not of this tile.
        """
        px = square.tile_px(REFERENCE_MAP_M)
        expected = (1, px, px, "uint16", _transform(square)[:6])
        try:
            with open_image(path, [GTIFF]) as dataset:
                found = (dataset.count, *dataset.shape, dataset.dtypes[0], dataset.transform[:6])
                if found != expected:
                    raise RasterError(f"expected {expected}, found {found}")
                check_blocks(dataset)
                return cls(square, dataset.read(1))
        except (RasterError, RasterioError, OSError) as error:
            raise RasterError(
                f"{path}: expected the land cover of a tile ({error}); remove it, so that the "
                "workflow makes it again"
            ) from error

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"remarks": self.remarks}

    def digest(self) -> str:
        """16 hexadecimal digits that identify place and codes."""
        content = hashlib.sha256(json.dumps(self.square.to_dict(), sort_keys=True).encode())
        content.update(np.ascontiguousarray(self.codes, "<u2").data)
        return content.hexdigest()[:16]

    def write(self, path: Path) -> None:
        """Write as a GeoTIFF: one band, uint16, deflate, no nodata tag."""
        height, width = self.codes.shape
        with MemoryFile() as memory:
            with memory.open(
                driver=GTIFF, width=width, height=height, count=1, dtype="uint16",
                crs=self.square.crs, transform=_transform(self.square), tiled=True,
                blockxsize=_BLOCK_PX, blockysize=_BLOCK_PX, compress="deflate", zlevel=1,
            ) as dataset:  # fmt: skip
                dataset.write(self.codes, 1)
            with atomic_file(path) as part:
                part.write_bytes(memory.getbuffer())


def _transform(square: TileSquare) -> rasterio.Affine:
    return from_origin(square.x_min, square.y_max, REFERENCE_MAP_M, REFERENCE_MAP_M)
