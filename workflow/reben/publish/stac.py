"""A published folder as a STAC collection, and its patches as items in one GeoParquet file.

Source: STAC 1.1; extensions EO 1.1 and Projection 2.0; stac-geoparquet 1.1. Half a million
items as JSON files would be unusable.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pystac
import shapely
from numpy.typing import NDArray
from pystac.extensions import eo, projection
from stac_geoparquet import arrow

from reben.domain import lon_lat
from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.names import sensing_time
from reben.domain.split_geometry import SPLITS
from reben.publish.forms import PARQUET, Form
from reben.results.facts import METADATA_TABLES, Facts
from reben.results.layout import Layout
from reben.runtime.files import atomic_file

#: Paths relative to the folder.
_COLLECTION, _ITEMS = Layout("").collection.name, Layout("").items.name
_EXTENSIONS = [eo.SCHEMA_URI, projection.SCHEMA_URI]
#: Items converted to Arrow at a time.
_BATCH = 20_000


def collection(
    facts: Facts, form: Form, polygons: NDArray[np.object_], classes: list[str]
) -> dict[str, Any]:
    """The collection as JSON; paths are relative to the folder.

    Args:
        facts: facts about the dataset.
        form: where its images are.
        polygons: footprints of all patches, degrees.
        classes: classes of the nomenclature.
    """
    made = pystac.Collection(
        id=facts.identifier,
        title=facts.name,
        description=f"{facts.summary} {facts.attribution}.",
        license=facts.licence,
        extent=pystac.Extent(
            pystac.SpatialExtent([extent(polygons)]),
            pystac.TemporalExtent([[facts.first, facts.last]]),
        ),
        keywords=["Sentinel-1", "Sentinel-2", facts.land_cover, "multi-label classification"],
        summaries=pystac.Summaries(
            {
                "constellation": ["sentinel-2"],
                "instruments": ["msi"],
                "gsd": [10, 20, 60],
                "split": list(SPLITS),
                "labels": classes,
            },
            maxcount=len(classes) + 1,  # at this length, pystac would leave out the list
        ),
        extra_fields={
            "version": facts.version,
            "reben:patches": facts.patches,
            "reben:by_split": facts.by_split,
        },
        stac_extensions=["https://stac-extensions.github.io/version/v1.2.0/schema.json"],
    )
    made.add_asset("items", pystac.Asset(_ITEMS, "all patches as items", None, PARQUET, ["items"]))
    for key, file in METADATA_TABLES.items():
        made.add_asset(key, pystac.Asset(file, key, None, PARQUET, ["metadata"]))
    for image in form.files:
        made.add_asset(
            image.key, pystac.Asset(image.path, image.holds, None, image.media, ["data"])
        )
    made.add_link(pystac.Link("license", facts.licence_url, "text/html"))
    value: dict[str, Any] = made.to_dict(include_self_link=False)
    return value


def extent(polygons: NDArray[np.object_]) -> list[float]:
    """West, south, east and north of footprints; west beyond east across the antimeridian."""
    boxes = lon_lat.bounds(polygons)
    west, east = lon_lat.shortest_span(boxes[:, 0], boxes[:, 2])
    return [west, float(boxes[:, 1].min()), east, float(boxes[:, 3].max())]


def items(
    patches: pl.DataFrame, form: Form, polygons: NDArray[np.object_], identifier: str
) -> Iterator[dict[str, Any]]:
    """The item of each patch.

    Args:
        patches: rows of `FinishedBuild.patches` that are in the dataset.
        form: where their images are.
        polygons: their footprints, degrees.
        identifier: id of the collection.
    """
    bounds = lon_lat.bounds(polygons)
    times = {tile: sensing_time(tile) for tile in patches["tile"].unique()}
    for row, polygon, box in zip(patches.iter_rows(named=True), polygons, bounds, strict=True):
        size = (row["x_max"] - row["x_min"]) // REFERENCE_MAP_M
        cloud, snow = row["cloud_fraction"], row["snow_fraction"]
        properties = {
            "datetime": times[row["tile"]].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "platform": f"sentinel-{row['tile'][1:3].lower()}",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": 10,
            "eo:cloud_cover": None if cloud is None else round(100 * cloud, 2),
            "eo:snow_cover": None if snow is None else round(100 * snow, 2),
            "proj:code": f"EPSG:{row['epsg']}",
            "proj:bbox": [row["x_min"], row["y_min"], row["x_max"], row["y_max"]],
            "proj:shape": [size, size],
            "proj:transform": [10, 0, row["x_min"], 0, -10, row["y_max"]],
            "labels": row["labels"],
            "split": row["split"],
            "country": row["country"],
            "s1_name": row["s1_name"],
            "contains_snow_cloud_or_shadow": row["obscured"],
        }
        yield {
            "type": "Feature",
            "stac_version": pystac.get_stac_version(),
            "stac_extensions": _EXTENSIONS,
            "id": row["patch_id"],
            "collection": identifier,
            "geometry": _geometry(polygon),
            "bbox": box.tolist(),
            # Unknown values are left out: STAC does not allow null in its own fields.
            "properties": {key: value for key, value in properties.items() if value is not None},
            "assets": form.assets(row),
            "links": [{"rel": "collection", "href": _COLLECTION}],
        }


def _geometry(polygon: shapely.Geometry) -> dict[str, Any]:
    """A footprint, which has no holes, as GeoJSON."""
    rings = [[shapely.get_coordinates(p).tolist()] for p in shapely.get_parts(polygon)]
    if polygon.geom_type == "Polygon":
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def write_items(path: Path, found: Iterator[dict[str, Any]], described: dict[str, Any]) -> None:
    """Write items as stac-geoparquet.

    Args:
        path: path of the file.
        found: the items.
        described: the collection.
    """
    with atomic_file(path) as part, TemporaryDirectory(dir=path.parent, prefix=".part-") as scratch:
        # In batches: half a million items as dicts would take more than 10 GB.
        batches = arrow.parse_stac_items_to_arrow(
            found, chunk_size=_BATCH, schema="ChunksToDisk", tmpdir=scratch
        )
        arrow.to_parquet(
            batches, part, collections={described["id"]: described}, compression="zstd"
        )
