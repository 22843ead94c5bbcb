"""Footprints of patches in longitude and latitude, and the metadata with them."""

from pathlib import Path

import geopandas
import numpy as np
import pandas
import polars as pl
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.lon_lat import split_polygon
from reben.domain.tables import METADATA
from reben.runtime.files import atomic_file

_NULLABLE = {pa.bool_(): pandas.BooleanDtype(), pa.large_string(): pandas.StringDtype("pyarrow")}


def footprints(patches: pl.DataFrame) -> NDArray[np.object_]:
    """The squares of patches as polygons in degrees (WGS 84), (n,).

    One across the antimeridian is in two parts, as RFC 7946 wants it.

    Args:
        patches: rows of `tables.PATCHES`.
    """
    epsg = patches["epsg"].to_numpy()
    corners = patches.select("x_min", "y_min", "x_max", "y_max").to_numpy()
    polygons = np.empty(len(patches), object)
    for zone in np.unique(epsg):
        here = epsg == zone
        to_degrees = Transformer.from_crs(f"EPSG:{zone}", "EPSG:4326", always_xy=True)
        # Counterclockwise, as GeoJSON requires; edges of 1.2 km are straight in degrees too.
        squares = shapely.box(*corners[here].T, ccw=True)
        turned = shapely.transform(squares, to_degrees.transform, interleaved=False)
        polygons[here] = [split_polygon(polygon) for polygon in turned]
    return polygons


def write_geoparquet(path: Path, metadata: pl.DataFrame, polygons: NDArray[np.object_]) -> None:
    """Write the metadata with a footprint for each patch, GeoParquet 1.1.

    Args:
        path: path of the file.
        metadata: rows of `tables.METADATA`, from both tables.
        polygons: footprint of each, degrees.
    """
    columns = metadata.select(METADATA.names).to_arrow().cast(METADATA)
    # With nullable types: an unknown flag is not False, an absent name is not "nan".
    frame = columns.to_pandas(types_mapper=_NULLABLE.get)
    with atomic_file(path) as part:
        geopandas.GeoDataFrame(frame, geometry=polygons, crs="EPSG:4326").to_parquet(
            part, index=False, compression="zstd", write_covering_bbox=True, schema_version="1.1.0"
        )
