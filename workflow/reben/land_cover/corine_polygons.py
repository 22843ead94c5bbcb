"""CORINE polygons: from a layer of Europe to the polygons of one tile, in its own zone.

In: a CORINE Land Cover GeoPackage, or any vector layer with level-3 codes. Out: the
polygons of a tile, as a GeoParquet that depends only on their codes and shapes.

Complete polygons are reprojected, then clipped with a margin: their edges inside the tile
are those of the reprojected originals.
"""

import hashlib
import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside, within_180
from reben.domain.tables import read_table
from reben.land_cover.nomenclature import CORINE_CODES
from reben.runtime.errors import VectorError
from reben.runtime.files import atomic_file
from reben.storage.vector_layer import VectorLayer, Window, only

log = logging.getLogger(__name__)

#: Kept around the tile: far more than a pixel, far less than a polygon.
MARGIN_M = 100
#: Layers of changes beside those of a year: cha1824_mt, sol1824_mt, U2018_CHA1218_V2020_20u1.
_CHANGES = re.compile(r"(?:^|_)(?:cha|sol)\d\d", re.IGNORECASE)
_CHANGE_COLUMNS = frozenset(("change", "chtype"))
_CODE_OF_CHANGE = re.compile(r"code_?\d\d[a-z]?", re.IGNORECASE)
_CODE_COLUMN = re.compile(r"code_?\d\d", re.IGNORECASE)
_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION
_CLIP = pa.schema({"code": pa.int16(), "geometry": pa.binary()})


@dataclass(frozen=True)
class PolygonLayer:
    """A polygon layer with land cover codes.

    Attributes:
        layer: in its file.
        code_column: column of the level-3 codes.
    """

    layer: VectorLayer
    code_column: str

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], layer: str | None = None, code_column: str | None = None
    ) -> Self:
        """Find the layer and column, if they are not given and only one fits.

        Raises:
            VectorError: the file is unreadable, none or several fit, the layer has no CRS, or
                holds changes.
        """
        expected = "a vector file such as a GeoPackage"
        found = VectorLayer.open(path, "corine.layer", layer, expected, beside=_CHANGES)
        fields = found.fields
        codes = [field for field in fields if _CODE_OF_CHANGE.fullmatch(field)]
        says_change = not _CHANGE_COLUMNS.isdisjoint(map(str.lower, fields))
        if _CHANGES.search(found.name) or (len(codes) > 1 and (says_change or not code_column)):
            raise VectorError(
                f"{found.where}: expected the land cover of one year, found changes between two "
                f"(columns {', '.join(fields)}): it has polygons only where something changed, and "
                "the dataset would hold nothing else; set corine.layer to that of a year or, if "
                "this is one with the codes of an earlier year beside it, corine.code_column"
            )
        likely = [f for f in fields if _CODE_COLUMN.fullmatch(f)] if code_column is None else fields
        column = only(
            found.path, "code column", "corine.code_column", likely, code_column, among=fields
        )
        return cls(found, column)

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.layer.name

    def empty(self, square: TileSquare) -> "Clip":
        """The clip of a tile that will have no patches."""
        return Clip(square, np.empty(0, np.int16), [])

    def clip(self, square: TileSquare) -> "Clip":
        """The polygons that touch a tile, reprojected to its zone and clipped to it.

        Raises:
            VectorError: no polygon does, a code is unknown, a polygon cannot be repaired, or the
                file is damaged.
        """
        to_tile = Transformer.from_crs(self.layer.crs, square.crs, always_xy=True)
        tile = shapely.box(*square.bounds)
        frame = shapely.box(*shapely.buffer(tile, MARGIN_M).bounds)
        near = self.layer.near(self.code_column, self._windows(frame, square))
        turn = within_180 if self.layer.crs.is_geographic else np.asarray
        polygons = shapely.transform(
            near.shapes, lambda x, y: to_tile.transform(turn(x), y), interleaved=False
        )
        codes = self._codes(near.values)
        codes, polygons, repaired = self._repair(codes, polygons, square)
        overlaps = shapely.relate_pattern(polygons, tile, "T********")  # the interiors intersect
        codes, polygons = codes[overlaps], polygons[overlaps]
        if not len(polygons):
            raise VectorError(
                f"{self.layer.where}: no polygon overlaps the tile at {square.bounds} "
                f"({square.crs}); expected a layer that covers it. Correct corine.path, or remove "
                "the product from the table"
            )
        inside = shapely.contains_properly(frame, polygons)
        polygons[~inside] = shapely.intersection(polygons[~inside], frame)
        for i in np.flatnonzero(shapely.get_type_id(polygons) == _COLLECTION):
            polygons[i] = _areas_of(polygons[i])
        # In normal form, sorted by code and shape, not as in the file: the same polygons give the
        # same digest, wherever their rings begin.
        shapes = shapely.normalize(polygons)
        encoded = np.array([shapely.to_wkb(p, byte_order=1) for p in shapes], dtype=object)
        order = sorted(range(len(encoded)), key=lambda i: (codes[i], encoded[i]))
        return Clip(square, codes[order], [encoded[i] for i in order], repaired)

    def _windows(self, frame: shapely.Geometry, square: TileSquare) -> list[Window]:
        """Where a tile may lie in the layer: in degrees, in every turn round the globe."""
        to_layer = Transformer.from_crs(square.crs, self.layer.crs, always_xy=True)
        if not self.layer.crs.is_geographic:
            x_min, y_min, x_max, y_max = frame.bounds
            window = to_layer.transform_bounds(x_min, y_min, x_max, y_max, densify_pts=101)
            return [window] if np.isfinite(window).all() else []
        x, y = shapely.get_coordinates(shapely.segmentize(frame, square.tile_side_m / 100)).T
        longitudes, latitudes = to_layer.transform(x, y)
        longitudes = beside(longitudes, longitudes[0])
        west, east = longitudes.min(), longitudes.max()
        south, north = latitudes.min(), latitudes.max()
        return [(west + turn, south, east + turn, north) for turn in (-360, 0, 360)]

    def _codes(self, raw: NDArray[Any]) -> NDArray[np.int16]:
        known = {str(code) for code in CORINE_CODES}
        texts = [re.sub(r"\.0$", "", str(value).strip()) for value in raw]
        if unknown := sorted(set(texts) - known):
            raise VectorError(
                f"{self.layer.where}, column {self.code_column}: expected CORINE "
                f"level-3 codes, found {unknown[:5]}; set corine.code_column, or fix the layer"
            )
        return np.array(texts, dtype=np.int16)

    def _repair(
        self, codes: NDArray[np.int16], polygons: NDArray[Any], square: TileSquare
    ) -> tuple[NDArray[np.int16], NDArray[Any], int]:
        """Repair invalid polygons in the tile's zone and leave out those without area.

        In the zone, because a hole that touches its shell between two vertices may cross it
        after reprojection. A polygon without area contains no pixel centre.
        """
        if not np.isfinite(shapely.get_coordinates(polygons)).all():
            raise VectorError(
                f"{self.layer.where}: a polygon extends too far from the tile at "
                f"{square.bounds} to be projected to {square.crs}; cut the layer to the "
                "surroundings of the tiles"
            )
        invalid = np.flatnonzero(~shapely.is_valid(polygons))
        if len(invalid):
            reasons = shapely.is_valid_reason(polygons[invalid[:3]])
            polygons[invalid] = shapely.make_valid(
                polygons[invalid], method="structure", keep_collapsed=False
            )
            log.warning(
                "%s: %d invalid polygons repaired, e.g. %s in %s",
                self.layer.path,
                len(invalid),
                "; ".join(reasons),
                square.crs,
            )
        flat = shapely.area(polygons) <= 0
        if flat.any():
            log.warning("%s: %d shapes without area left out", self.layer.path, flat.sum())
        return codes[~flat], polygons[~flat], len(invalid)


def _areas_of(collection: shapely.Geometry) -> shapely.Geometry:
    """The polygons in a collection: its lines would be burnt into all pixels that they touch."""
    parts = shapely.get_parts(shapely.get_parts(collection))
    return shapely.multipolygons(parts[shapely.get_dimensions(parts) == 2])


@dataclass(frozen=True)
class Clip:
    """The polygons of one tile.

    Attributes:
        square: the tile.
        codes: (n,) level-3 codes.
        wkb: n polygons in the tile's zone.
        repaired: how many were invalid.
    """

    suffix: ClassVar[str] = ".parquet"

    square: TileSquare
    codes: NDArray[np.int16]
    wkb: list[bytes]
    repaired: int = 0

    @classmethod
    def read(cls, path: str | os.PathLike[str], square: TileSquare) -> "Clip":
        """Read a clip that `write` wrote.

        Raises:
            TableError: it is missing or unreadable.
        """
        table = read_table(path, _CLIP)
        return cls(square, table["code"].to_numpy(), table["geometry"].to_list())

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"polygons": len(self.codes), "repaired": self.repaired}

    def digest(self) -> str:
        """16 hexadecimal digits that identify place, codes and shapes."""
        content = hashlib.sha256(json.dumps(self.square.to_dict(), sort_keys=True).encode())
        content.update(self.codes.astype("<i2").tobytes())
        for shape in self.wkb:
            content.update(len(shape).to_bytes(8, "little"))
            content.update(shape)
        return content.hexdigest()[:16]

    def write(self, path: Path) -> None:
        """Write as GeoParquet 1.1: columns ``code`` (int16) and ``geometry`` (WKB)."""
        geo = {
            "version": "1.1.0",
            "primary_column": "geometry",
            "columns": {
                "geometry": {
                    "encoding": "WKB",
                    "geometry_types": [],
                    "crs": CRS.from_user_input(self.square.crs).to_json_dict(),
                }
            },
        }
        table = pa.table({"code": self.codes, "geometry": self.wkb}, schema=_CLIP)
        with atomic_file(path) as part:
            pq.write_table(
                table.replace_schema_metadata({"geo": json.dumps(geo)}), part, compression="zstd"
            )
