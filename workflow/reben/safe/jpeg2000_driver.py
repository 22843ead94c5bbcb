"""The GDAL driver for JPEG 2000, the format of Sentinel-2 images.

In: the GDAL that rasterio uses. Out: an error that says what to install if that GDAL has no
such driver; and the driver loaded, so that its libraries can be listed.

The wheels of rasterio have the driver built in. conda-forge's GDAL has it as a plugin, in a
separate package, and loads it when the first image is opened.
"""

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from reben.runtime.errors import ToolError
from reben.storage.raster_files import JPEG_2000 as OPENJPEG_DRIVER

CONDA_PACKAGE = "libgdal-jp2openjpeg"
#: Prefix of all JPEG 2000 drivers: JP2OpenJPEG, JP2KAK, JP2ECW, JP2MrSID.
_PREFIX = "JP2"


def drivers() -> list[str]:
    """The drivers of this GDAL; a plugin counts if its file exists, loaded or not."""
    with rasterio.Env() as env:
        return sorted(env.drivers())


def require_jpeg2000() -> None:
    """Check that Sentinel-2 images can be opened at all, before any work is done.

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
            f"GDAL {gdal}: expected a driver for JPEG 2000, the format of Sentinel-2 images, found "
            f"none. With conda, install the package {CONDA_PACKAGE}={gdal} with rasterio, as "
            "the files in envs/ do; with pip, rasterio's wheels from PyPI have the driver. "
            "GDAL_SKIP, where it is set, can hide it"
        )
    return OPENJPEG_DRIVER if OPENJPEG_DRIVER in found else found[0]


def load_openjpeg() -> bool:
    """Make GDAL load its OpenJPEG driver by writing a one-pixel image to memory.

    Returns:
        Whether there is such a driver and it works.
    """
    if OPENJPEG_DRIVER not in drivers():
        return False
    place = from_origin(0, 1, 1, 1)  # rasterio warns about images without one
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
