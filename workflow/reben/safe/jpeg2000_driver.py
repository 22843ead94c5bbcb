"""The part of GDAL that reads JPEG 2000, the form of Sentinel-2 images.

In: nothing but the GDAL that rasterio brought. Out: an error that says what to install where
that GDAL has no such driver; and the driver loaded, for whoever asks about its libraries.

The wheels of rasterio have the driver built in. conda-forge's GDAL has it as a plugin, in a
package of its own, and loads it when the first image is opened.
"""

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from reben.runtime.errors import ToolError
from reben.storage.raster_files import JPEG_2000 as OPENJPEG_DRIVER

CONDA_PACKAGE = "libgdal-jp2openjpeg"
#: How the names of all drivers for it begin: JP2OpenJPEG, JP2KAK, JP2ECW, JP2MrSID.
_PREFIX = "JP2"


def drivers() -> list[str]:
    """The drivers of this GDAL; a plugin counts if its file is there, loaded or not."""
    with rasterio.Env() as env:
        return sorted(env.drivers())


def require_jpeg2000() -> None:
    """Check that images of Sentinel-2 can be opened at all, before any work is done.

    Raises:
        ToolError: GDAL has no driver for them.
    """
    jpeg2000_driver()


def jpeg2000_driver() -> str:
    """The driver for JPEG 2000: that of conda-forge and the wheels, or another that is there.

    Raises:
        ToolError: GDAL has none.
    """
    found = [name for name in drivers() if name.startswith(_PREFIX)]
    if not found:
        gdal = rasterio.__gdal_version__
        raise ToolError(
            f"GDAL {gdal}: expected a driver for JPEG 2000, the form of Sentinel-2 images, found "
            f"none. With conda, install the package {CONDA_PACKAGE}={gdal} beside rasterio, as "
            "the files in envs/ do; with pip, rasterio's wheels from PyPI have the driver. "
            "GDAL_SKIP, where it is set, can hide it"
        )
    return OPENJPEG_DRIVER if OPENJPEG_DRIVER in found else found[0]


def load_openjpeg() -> bool:
    """Have GDAL load its OpenJPEG driver, by writing an image of one pixel to memory.

    Returns:
        Whether there is such a driver and it works.
    """
    if OPENJPEG_DRIVER not in drivers():
        return False
    place = from_origin(0, 1, 1, 1)  # rasterio warns of an image without one
    try:
        with (
            MemoryFile(ext=".jp2") as file,
            file.open(
                driver=OPENJPEG_DRIVER, width=1, height=1, count=1, dtype="uint8", transform=place
            ) as dataset,
        ):
            dataset.write(np.zeros((1, 1), np.uint8), 1)
    except RasterioError:
        return False
    return True
