"""What the environment may tell GDAL and PROJ, which read and place all images and polygons.

In: the environment variables of this process. Out: the same without those that belong to another
installation (conda, environment modules, QGIS) or change how files are read, and with the network
closed. `reben` calls this before any library is loaded when it runs as ``python -m reben...``;
training code that imports `reben.dataset` keeps its environment.

Source: the configuration options of GDAL, which it also takes from the environment; PROJ,
"Environment variables".
"""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

#: How the variables begin that GDAL, PROJ and what wraps them read.
_PREFIXES = (
    *("GDAL_", "GDALRC", "OGR_", "OSR_", "CPL_", "VSI_", "VRT_", "PAM_", "ESRI_XML_PAM"),
    *("GTIFF_", "GEOTIFF_", "TIFF_", "GMLJP2", "JP2", "JPEG2000_", "USE_TILE_AS_BLOCK"),
    *("SHAPE_", "GPKG_", "OPENFILEGDB_", "GEOJSON_", "PARQUET_", "SQLITE_LIST", "OGR2"),
    *("PROJ_", "RASTERIO_", "PYOGRIO_", "PYPROJ_"),
    *("CHECK_WITH_INVERT_PROJ", "USE_OSR_FIND_MATCHES", "USE_OPENJPEG_", "OPJ_", "LIBTIFF_"),
    *("DBF_", "SQLITE_USE_"),
)
#: A hidden driver is reported by an error before any work begins.
_KEPT = frozenset(("GDAL_SKIP",))
#: No step fetches anything through GDAL or PROJ.
_CLOSED = {
    "GDAL_CONFIG_FILE": os.devnull,  # else /etc/gdal/gdalrc and ~/.gdal/gdalrc
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",  # all of /vsicurl/, /vsis3/, ...
    # The port "discard", for all else that is HTTP. Where no_proxy exempts a host, which downloads
    # may need, what keeps drivers of services from it is that no file is opened by them.
    "GDAL_HTTP_PROXY": "http://127.0.0.1:9",
    "GDAL_HTTP_MAX_RETRY": "0",
    "PROJ_NETWORK": "OFF",
}


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove what belongs to another installation, and close the network for GDAL and PROJ."""
    kept = without_library_settings(environment)
    for name in environment.keys() - kept.keys():
        if not _is_ours(environment[name]):
            del environment[name]
    environment.update(_CLOSED)


@contextmanager
def settled() -> Iterator[None]:
    """Settle the environment for a while, in a process that is not only ours."""
    before = dict(os.environ)
    settle()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def hidden_drivers(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The drivers that GDAL is to forget."""
    listed = environment.get("GDAL_SKIP", "")
    return listed.split("," if "," in listed else None)  # as GDAL reads it


def without_library_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program that brings libraries of its own, such as sen2cor."""
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or not name.startswith(_PREFIXES)
    }


def _is_ours(value: str) -> bool:
    """Whether it names a folder of this Python's own installation, as conda's activation sets."""
    path = Path(value)
    return path.is_absolute() and path.exists() and path.resolve().is_relative_to(_prefix())


def _prefix() -> Path:
    return Path(sys.prefix).resolve()
