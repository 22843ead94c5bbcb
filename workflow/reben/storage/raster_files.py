"""Opening an image that comes from outside: a file of this machine, of a form that is expected.

GDAL itself takes a file for whatever its content says: a VRT under the name of a band would read
any file of the machine and ask any host. So the first bytes decide the format, and GDAL may
use the driver for it and no other, nor look at files beside it. A VRT is read only where a caller
expects one, if it is a plain mosaic (`reben.storage.virtual_raster`) of GeoTIFFs.
"""

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import CRSError

from reben.runtime.errors import RasterError, ToolError
from reben.storage.virtual_raster import VRT_BEGINNING, sources

GTIFF = "GTiff"
VRT = "VRT"
JPEG_2000 = "JP2OpenJPEG"
#: How files of a driver begin. JPEG 2000: ISO 15444-1, annexes A and I; TIFF 6.0, BigTIFF.
_BEGINNINGS = {
    JPEG_2000: (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    GTIFF: (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"),
    VRT: (VRT_BEGINNING,),
}
_NAMES = {JPEG_2000: "JPEG 2000", GTIFF: "GeoTIFF", VRT: "VRT"}
#: Of an internal tile, beside twice the size of the image.
_MAX_BLOCK_BYTES = 8 << 20
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


def open_image(
    path: str | os.PathLike[str], forms: Collection[str], driver: str | None = None
) -> rasterio.io.DatasetReader:
    """Open an image for reading.

    Args:
        path: a file; what GDAL calls a virtual file system is none.
        forms: what it may be, of `GTIFF`, `JPEG_2000` and `VRT`.
        driver: what this GDAL calls its driver for JPEG 2000, if not `JPEG_2000`.

    Raises:
        RasterError: it is there, but of another form; or it is a VRT, and what it reads is.
        OSError: it cannot be read.
        RasterioError: it cannot be opened.
    """
    form = _form(path, forms)
    if form == VRT:
        for source in sources(path):
            _form(source, [GTIFF])
    if form == JPEG_2000 and driver is not None:
        form = driver
    with rasterio.Env(**_ALONE):
        return rasterio.open(Path(path).absolute(), driver=form)


def _form(path: str | os.PathLike[str], forms: Collection[str]) -> str:
    """Which of the forms a file has by its beginning."""
    with open(path, "rb") as file:  # noqa: PTH123 - PathLike of any kind
        beginning = file.read(16)
    form = next((form for form in forms if beginning.startswith(_BEGINNINGS[form])), None)
    if form is None:
        expected = " or ".join(_NAMES[form] for form in forms)
        raise RasterError(f"a {expected} does not begin with {beginning!r}")
    return form


def check_blocks(dataset: rasterio.io.DatasetReader) -> None:
    """Check that no internal tile is absurdly larger than the image, for GDAL decodes whole ones.

    Raises:
        RasterError: one is.
    """
    height, width = dataset.block_shapes[0]
    itemsize = np.dtype(dataset.dtypes[0]).itemsize
    limit = 2 * dataset.height * dataset.width * itemsize + _MAX_BLOCK_BYTES
    if height * width * itemsize > limit:
        raise RasterError(
            f"{dataset.name}: expected internal tiles of at most {limit} bytes in an image of "
            f"{dataset.width} x {dataset.height} px, found {width} x {height} px; fetch or make "
            "it again"
        )


def require_zones() -> None:
    """Check that PROJ knows the zones of Sentinel-2 tiles, before any work is done.

    Raises:
        ToolError: it does not find its database, or that of another version.
    """
    try:
        known = [rasterio.CRS.from_epsg(code).to_epsg() for code in (32601, 32760)]
    except CRSError as error:
        raise ToolError(
            f"PROJ does not know UTM zones ({error}): its database proj.db is not that of this "
            "rasterio; install rasterio again"
        ) from error
    if known != [32601, 32760]:
        raise ToolError(f"PROJ: expected EPSG codes 32601 and 32760 back, found {known}")
