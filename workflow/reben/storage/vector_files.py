"""Polygon layers from outside, read by few of GDAL's drivers and from this machine alone.

In: a path that the config names. Out: pyogrio, whose GDAL here knows files of vectors and nothing
that refers to other files or hosts (OGR VRT, GML, SQLite's virtual tables, WFS, ...). Whoever reads
polygons imports pyogrio from here.
"""

import os
from pathlib import Path

import pyogrio
from pyogrio._ogr import _register_drivers

from reben.runtime.errors import ToolError, VectorError
from reben.runtime.libraries import hidden_drivers

__all__ = ["VECTOR_DRIVERS", "local_file", "pyogrio"]

#: What land cover and outlines may come as.
VECTOR_DRIVERS = (
    *("GPKG", "ESRI Shapefile", "OpenFileGDB", "FlatGeobuf", "GeoJSON", "GeoJSONSeq", "Parquet"),
)
#: In conda, rasterio uses the same GDAL: what it needs stays.
_ALLOWED = frozenset((*VECTOR_DRIVERS, "GTiff", "MEM", "JP2OpenJPEG", "JP2KAK", "JP2ECW"))


def _restrict() -> None:
    """Have GDAL forget all drivers but those allowed.

    Raises:
        ToolError: it does not.
    """
    others = set(pyogrio.list_drivers()) - _ALLOWED
    # What the environment hides would come back. It stays set: in conda, rasterio registers all
    # drivers of the same GDAL once more.
    pyogrio.set_gdal_config_options({"GDAL_SKIP": ",".join(sorted(others | {*hidden_drivers()}))})
    _register_drivers()
    if left := sorted(set(pyogrio.list_drivers()) - _ALLOWED):
        raise ToolError(
            f"pyogrio {pyogrio.__version__}: expected it to read by {', '.join(VECTOR_DRIVERS)} "
            f"alone, but {', '.join(left[:5])} cannot be turned off; use the pinned version"
        )


_restrict()


def local_file(path: str | os.PathLike[str], what: str) -> str:
    """A path, if it is that of a file or folder on this machine.

    Args:
        path: as the config has it.
        what: is expected there, for the message.

    Raises:
        VectorError: it is not there, or is an address that GDAL would follow elsewhere.
    """
    text = os.fspath(path)
    if "://" in text or text.startswith("/vsi") or not Path(text).exists():
        raise VectorError(f"{text}: expected {what} on this machine, found none")
    return text
