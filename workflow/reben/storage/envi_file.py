"""Opening an ENVI image that comes from outside, as SNAP writes them (BEAM-DIMAP).

The image is bare pixels, and the text beside it, ``.hdr``, says what they are. So the beginning
of that text decides, and GDAL may use the driver for ENVI and no other.
"""

import os
from pathlib import Path

import rasterio

from reben.runtime.errors import RasterError

_BEGINNING = b"ENVI"
_SUFFIX = ".img"
#: GDAL must find the text beside the image, but no other file that would say more.
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE", "GDAL_PAM_ENABLED": "NO"}


def is_envi(path: str | os.PathLike[str]) -> bool:
    """Whether a path is named like an ENVI image."""
    return Path(path).suffix.lower() == _SUFFIX


def header_of(path: str | os.PathLike[str]) -> Path:
    """The text beside an ENVI image."""
    return Path(path).with_suffix(".hdr")


def open_envi(path: str | os.PathLike[str]) -> rasterio.io.DatasetReader:
    """Open an ENVI image for reading.

    Raises:
        RasterError: the text beside it is none of ENVI's, or names another file.
        OSError: it cannot be read.
        RasterioError: it cannot be opened.
    """
    header = header_of(path)
    with header.open("rb") as file:
        beginning = file.read(len(_BEGINNING))
    if beginning != _BEGINNING:
        raise RasterError(f"{header}: the header of an ENVI image does not begin {beginning!r}")
    with rasterio.Env(**_ALONE):
        dataset = rasterio.open(Path(path).absolute(), driver="ENVI")
    if {Path(file) for file in dataset.files} - {Path(path).absolute(), header.absolute()}:
        dataset.close()
        raise RasterError(f"{header}: expected the header of {path} alone, found other files")
    return dataset
