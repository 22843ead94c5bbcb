"""Step clip_corine: the CORINE polygons of every tile, in the tile's own zone.

In: a CORINE Land Cover GeoPackage (or any vector layer with level-3 codes) and the
quality verdicts, which hold the tiles' grids. Out: one GeoParquet a tile, named after
its content, and a manifest that says which tile has which. A file whose content is
unchanged is not touched, so that after a CORINE update only the tiles that it reaches
are rasterised and labelled again.

Whole polygons are reprojected, then clipped with a margin: their edges inside the tile
are those of the reprojected originals.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from reben import cli
from reben.errors import VectorError
from reben.files import atomic_file, read_json, write_json
from reben.grid import TileGrid
from reben.nomenclature import CORINE_CODES
from reben.quality import ACCEPTED
from reben.tile_paths import TilePaths

log = logging.getLogger(__name__)

#: Kept around the tile: far more than a pixel, far less than a polygon.
MARGIN_M = 100
_CODE_COLUMN = re.compile(r"code_?\d\d", re.IGNORECASE)


@dataclass(frozen=True)
class Layer:
    """A polygon layer with land cover codes.

    Attributes:
        path: the file.
        name: layer in the file.
        code_column: column of the level-3 codes.
        crs: its coordinate reference system.
    """

    path: str
    name: str
    code_column: str
    crs: CRS

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], layer: str | None = None, code_column: str | None = None
    ) -> "Layer":
        """Find the layer and column, where they are not given and only one fits.

        Raises:
            VectorError: unreadable, none or several fit, or the layer has no CRS.
        """
        path = os.fspath(path)
        try:
            names = [
                str(name) for name, kind in pyogrio.list_layers(path) if kind and "Polygon" in kind
            ]
            chosen = _only(path, "polygon layer", "corine.layer", names, layer)
            info = pyogrio.read_info(path, layer=chosen)
        except pyogrio.errors.DataSourceError as error:
            raise VectorError(
                f"{path}: expected a vector file such as a GeoPackage: {error}"
            ) from error
        fields = [str(field) for field in info["fields"]]
        likely = [f for f in fields if _CODE_COLUMN.fullmatch(f)] if code_column is None else fields
        column = _only(path, "code column", "corine.code_column", likely, code_column, among=fields)
        if info["crs"] is None:
            raise VectorError(f"{path}, layer {chosen}: expected a CRS, found none")
        return cls(path, chosen, column, CRS.from_user_input(info["crs"]))

    def clip(self, grid: TileGrid) -> "Clip":
        """The polygons that touch a tile, reprojected to its zone and clipped to it.

        Raises:
            VectorError: none does, a code is unknown, or a polygon cannot be repaired.
        """
        to_tile = Transformer.from_crs(self.crs, grid.crs, always_xy=True)
        tile = shapely.box(*grid.bounds)
        frame = shapely.box(*shapely.buffer(tile, MARGIN_M).bounds)
        to_layer = Transformer.from_crs(grid.crs, self.crs, always_xy=True)
        x_min, y_min, x_max, y_max = frame.bounds
        window = to_layer.transform_bounds(x_min, y_min, x_max, y_max, densify_pts=101)
        _, _, wkb, (raw_codes,) = pyogrio.raw.read(
            self.path, layer=self.name, columns=[self.code_column], bbox=window
        )
        codes = self._codes(raw_codes)
        polygons, repaired = self._repair(shapely.from_wkb(wkb))
        polygons = shapely.transform(polygons, to_tile.transform, interleaved=False)
        overlaps = shapely.relate_pattern(polygons, tile, "T********")  # the insides meet
        codes, polygons = codes[overlaps], polygons[overlaps]
        if not len(polygons):
            raise VectorError(
                f"{self.path}, layer {self.name}: no polygon lies in the tile at {grid.bounds} "
                f"({grid.crs}); expected a layer that covers it. Correct corine.path, or take the "
                "product out of the table"
            )
        inside = shapely.contains_properly(frame, polygons)
        polygons[~inside] = shapely.intersection(polygons[~inside], frame)
        encoded = np.array([shapely.to_wkb(p, byte_order=1) for p in polygons], dtype=object)
        # By code and shape, not by the order in the file: the same polygons, the same digest.
        order = sorted(range(len(encoded)), key=lambda i: (codes[i], encoded[i]))
        return Clip(grid, codes[order], [encoded[i] for i in order], repaired)

    def _codes(self, raw: NDArray[Any]) -> NDArray[np.int16]:
        known = {str(code) for code in CORINE_CODES}
        texts = [re.sub(r"\.0$", "", str(value).strip()) for value in raw]
        if unknown := sorted(set(texts) - known):
            raise VectorError(
                f"{self.path}, layer {self.name}, column {self.code_column}: expected CORINE "
                f"level-3 codes, found {unknown[:5]}; set corine.code_column, or mend the layer"
            )
        return np.array(texts, dtype=np.int16)

    def _repair(self, polygons: NDArray[Any]) -> tuple[NDArray[Any], int]:
        invalid = np.flatnonzero(~shapely.is_valid(polygons))
        if len(invalid):
            reasons = [f"{shapely.is_valid_reason(p)}" for p in polygons[invalid[:3]]]
            polygons[invalid] = shapely.make_valid(
                polygons[invalid], method="structure", keep_collapsed=False
            )
            log.warning(
                "%s: %d invalid polygons repaired, e.g. %s",
                self.path,
                len(invalid),
                "; ".join(reasons),
            )
        if (empty := shapely.area(polygons) <= 0).any():
            raise VectorError(
                f"{self.path}, layer {self.name}: expected polygons, found {int(empty.sum())} "
                "without area even after repair; mend the layer"
            )
        return polygons, len(invalid)


@dataclass(frozen=True)
class Clip:
    """The polygons of one tile.

    Attributes:
        grid: the tile.
        codes: (n,) level-3 codes.
        wkb: n polygons in the tile's zone.
        repaired: how many had been invalid.
    """

    grid: TileGrid
    codes: NDArray[np.int16]
    wkb: list[bytes]
    repaired: int = 0

    def digest(self) -> str:
        """16 hexadecimal digits over place, codes and shapes."""
        content = hashlib.sha256(json.dumps(self.grid.to_dict(), sort_keys=True).encode())
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
                    "crs": CRS.from_user_input(self.grid.crs).to_json_dict(),
                }
            },
        }
        table = pa.table(
            {"code": pa.array(self.codes), "geometry": pa.array(self.wkb, pa.binary())}
        )
        with atomic_file(path) as part:
            pq.write_table(
                table.replace_schema_metadata({"geo": json.dumps(geo)}), part, compression="zstd"
            )


def read_clip(path: str | os.PathLike[str]) -> tuple[NDArray[np.int16], NDArray[Any]]:
    """The codes (n,) and polygons (n,) of a clip."""
    table = pq.read_table(path)
    return table["code"].to_numpy(), shapely.from_wkb(table["geometry"].to_numpy())


def _only(
    path: str,
    what: str,
    key: str,
    candidates: list[str],
    wanted: str | None,
    among: list[str] | None = None,
) -> str:
    if wanted is not None and wanted in candidates:
        return wanted
    if wanted is None and len(candidates) == 1:
        return candidates[0]
    have = ", ".join(among or candidates) or "none"
    if wanted is not None:
        raise VectorError(f"{path}: {key} is {wanted!r}, but the file has: {have}")
    raise VectorError(
        f"{path}: expected one {what}, found {len(candidates)} among: {have}; set {key}"
    )


def clip_corine(layer: Layer, verdicts: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Write the clips that are not there yet, remove those no tile has, return the manifest."""
    tiles: dict[str, Any] = {}
    written = 0
    for verdict in sorted(verdicts, key=lambda v: str(v["tile"])):
        grid = TileGrid.from_dict(verdict["grid"])
        if verdict["verdict"] == ACCEPTED:
            try:
                clip = layer.clip(grid)
            except VectorError as error:
                raise VectorError(f"{verdict['tile']}: {error}") from error
        else:  # the tile will have no patches, so it needs no polygons
            clip = Clip(grid, np.empty(0, np.int16), [])
        name = f"{verdict['tile']}-{clip.digest()}.parquet"
        if not (folder / name).exists():
            clip.write(folder / name)
            written += 1
        tiles[verdict["tile"]] = {
            "clip": name,
            "polygons": len(clip.codes),
            "repaired": clip.repaired,
        }
    current = {entry["clip"] for entry in tiles.values()}
    for old in folder.glob("*.parquet"):
        if old.name not in current:
            old.unlink()
    log.info("%d tiles, %d clips written, the others unchanged", len(tiles), written)
    return {"layer": layer.name, "code_column": layer.code_column, "tiles": tiles}


def main(argv: Sequence[str] | None = None) -> None:
    """Clip a CORINE release for all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument("--corine", required=True, help="vector file, as a GeoPackage")
    parser.add_argument("--layer", help="layer, where the file has several")
    parser.add_argument("--code-column", help="column of the codes, where it is not Code_<year>")
    parser.add_argument(
        "--quality", nargs="+", action=TilePaths, required=True, help="verdicts of all tiles (JSON)"
    )
    parser.add_argument("--manifest", required=True, help="JSON; the clips are written beside it")
    args = parser.parse_args(argv)

    layer = Layer.open(args.corine, args.layer, args.code_column)
    manifest = Path(args.manifest)
    verdicts = [read_json(path) for path in args.quality]
    write_json(manifest, clip_corine(layer, verdicts, manifest.parent))


if __name__ == "__main__":
    cli.run(main)
