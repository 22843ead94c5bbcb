"""Sentinel-2 L2A products on disk: their XML metadata and the paths of their images.

In: a ``.SAFE`` folder from sen2cor or ESA's ground segment, baselines 02.05 to 05.x.
Out: quality indicators, grid, offsets and one native image per band.
Source: Sentinel-2 Products Specification Document, sections 3.5 and 4.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self
from xml.etree.ElementTree import Element

from reben.domain.bands import BAND_IDS, PATCH_SIDE_M, RESOLUTION_M
from reben.domain.grid import TileGrid, TileSquare
from reben.domain.names import ProductName
from reben.runtime.errors import ConfigError, ProductError, RebenError
from reben.safe.xml_file import Metadata

_INSPECTIONS = "Quality_Inspections"
#: Of a tile, whose true side is 109,800 m, and of coordinates in UTM.
_MAX_SIDE_M, _MAX_COORDINATE_M = 200_000, 20_000_000
#: Of a reflectance offset, whose pixels have 16 bits.
_MAX_OFFSET = 65_000


@dataclass(frozen=True)
class L2AProduct:
    """A Sentinel-2 L2A product folder.

    Attributes:
        path: the ``.SAFE`` folder.
        granule: its only folder below ``GRANULE``.
    """

    path: Path
    granule: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Find the granule of a product folder.

        Raises:
            ProductError: `path` is not a folder or does not contain exactly one granule.
        """
        path = Path(path)
        granules = sorted(p for p in path.glob("GRANULE/*") if p.is_dir())
        if len(granules) != 1:
            raise ProductError(
                f"{path}: expected a product folder with one granule, found {len(granules)}; "
                "pass the .SAFE folder itself"
            )
        return cls(path, granules[0])

    @cached_property
    def product_metadata(self) -> Metadata:
        """``MTD_MSIL2A.xml``."""
        return Metadata(self.path / "MTD_MSIL2A.xml")

    @cached_property
    def granule_metadata(self) -> Metadata:
        """``MTD_TL.xml``."""
        return Metadata(self.granule / "MTD_TL.xml")

    @property
    def name(self) -> str:
        """The product's name according to its metadata, without ``.SAFE``.

        Raises:
            ProductError: the node is missing or is not an L2A product name.
        """
        name = self.product_metadata.text("PRODUCT_URI", "PRODUCT_URI_2A").removesuffix(".SAFE")
        try:
            level = ProductName.parse(name).level
        except RebenError as error:
            raise ProductError(f"{self.product_metadata.path}: {error}") from error
        if level != "L2A":
            raise ProductError(f"{self.path}: expected an L2A product, its metadata says {name}")
        return name

    def indicators(self) -> dict[str, str]:
        """Quality indicators by name, such as ``{"GENERAL_QUALITY": "PASSED"}``.

        Both spellings are read: ``<quality_check checkType="X">`` and, in products of
        baseline 02.05 and older, ``<X_FLAG>``.

        Raises:
            ProductError: the product has no indicators at all.
        """
        found = {}
        for inspections in self.product_metadata.find(_INSPECTIONS):
            for element in inspections:
                tag = element.tag.rpartition("}")[2]
                name = (
                    element.get("checkType")
                    if tag == "quality_check"
                    else tag.removesuffix("_FLAG")
                )
                if name:
                    found[name] = (element.text or "").strip()
        if not found:
            raise ProductError(
                f"{self.product_metadata.path}: expected quality indicators below "
                f"<{_INSPECTIONS}>, found none; a product without them cannot be judged"
            )
        return dict(sorted(found.items()))

    def square(self) -> TileSquare:
        """The place of the tile, from ``Tile_Geocoding`` of the granule.

        Raises:
            ProductError: a node is missing, or the tile is not a square in a UTM zone.
        """
        metadata = self.granule_metadata
        crs = metadata.text("HORIZONTAL_CS_CODE")
        prefix, _, code = crs.upper().partition(":")
        if (
            prefix != "EPSG"
            or not (code.isascii() and code.isdigit())
            or not 32601 <= int(code) <= 32760
        ):
            raise ProductError(f"{metadata.path}: expected a WGS 84 / UTM zone, found {crs}")
        sides = {
            _whole(_attribute(size, "resolution", metadata), "resolution", metadata)
            * _child(size, tag, metadata)
            for size in metadata.find("Size")
            for tag in ("NROWS", "NCOLS")
        }
        corners = {
            (_child(place, "ULX", metadata), _child(place, "ULY", metadata))
            for place in metadata.find("Geoposition")
        }
        if len(sides) != 1 or len(corners) != 1:
            raise ProductError(
                f"{metadata.path}: expected the same square in all resolutions, found "
                f"sides {sorted(sides)} m and corners {sorted(corners)}"
            )
        (tile_side_m,), ((x_min, y_max),) = sides, corners
        if not 0 < tile_side_m <= _MAX_SIDE_M or max(abs(x_min), abs(y_max)) > _MAX_COORDINATE_M:
            raise ProductError(
                f"{metadata.path}: expected a tile of at most {_MAX_SIDE_M} m in its zone, found "
                f"{tile_side_m} m at ({x_min}, {y_max})"
            )
        return TileSquare(int(code), x_min, y_max, tile_side_m)

    def grid(self, patch_side_m: int = PATCH_SIDE_M) -> TileGrid:
        """The patches of the tile, with this side in metres.

        Raises:
            ProductError: see `square`.
            ConfigError: no patch of this side fits the tile.
        """
        try:
            return self.square().grid(patch_side_m)
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}") from error

    def footprint(self) -> list[tuple[float, float]]:
        """The ring of the sensed ground as (longitude, latitude), degrees.

        Raises:
            ProductError: the node is missing or is not a list of coordinates.
        """
        text = self.product_metadata.text("EXT_POS_LIST")
        try:
            values = [float(word) for word in text.split()]
            # Some products write a height of 0 after each pair, sometimes except the last.
            step = 2 if len(values) < 3 or any(values[2::3]) else 3
            ring = list(zip(values[1::step], values[0::step], strict=True))
            if not all(abs(lon) <= 360 and abs(lat) <= 90 for lon, lat in ring):
                raise ValueError("no longitude and latitude")
        except ValueError as error:
            raise ProductError(
                f"{self.product_metadata.path}: <EXT_POS_LIST> is not a list of coordinates "
                f"({error})"
            ) from error
        return ring

    def offsets(self) -> dict[str, int]:
        """``BOA_ADD_OFFSET`` by band, zero if the product has none (before 04.00).

        Raises:
            ProductError: a value or its band is not a valid number.
        """
        offsets = dict.fromkeys(RESOLUTION_M, 0)
        for element in self.product_metadata.find("BOA_ADD_OFFSET"):
            try:
                number = int(_attribute(element, "band_id", self.product_metadata))
                value = int(element.text or "")
                if number < 0 or abs(value) > _MAX_OFFSET:
                    raise ValueError("out of range")
                band = BAND_IDS[number]
            except (ValueError, IndexError) as error:
                raise ProductError(
                    f"{self.product_metadata.path}: <BOA_ADD_OFFSET> is {element.text!r} for "
                    f"band_id {element.get('band_id')!r}, expected a whole number for 0 to 12"
                ) from error
            if band in offsets:
                offsets[band] = value
        return offsets

    def image(self, name: str, resolution_m: int) -> Path | None:
        """The image of a band or layer at a resolution, or None if there is none.

        Raises:
            ProductError: there are several.
        """
        folder = self.granule / "IMG_DATA" / f"R{resolution_m}m"
        found = sorted(folder.glob(f"*_{name}_{resolution_m}m.jp2"))
        if len(found) > 1:
            raise ProductError(
                f"{folder}: expected one image of {name}, found {', '.join(p.name for p in found)}"
            )
        return found[0] if found else None

    def images(self) -> dict[str, Path]:
        """The images that are read: of each band at its native resolution, and SCL, if there.

        Raises:
            ProductError: there are several of one.
        """
        found = {name: self.image(name, m) for name, m in {**RESOLUTION_M, "SCL": 20}.items()}
        return {name: path for name, path in found.items() if path is not None}

    def band_file(self, band: str) -> Path:
        """The image of a band at its native resolution.

        Raises:
            ProductError: there is none.
        """
        resolution_m = RESOLUTION_M[band]
        path = self.image(band, resolution_m)
        if path is None:
            raise ProductError(
                f"{self.path}: band {band} has no image at its native {resolution_m} m; expected "
                f"{self.granule.name}/IMG_DATA/R{resolution_m}m/*_{band}_{resolution_m}m.jp2. "
                "Fetch or process the product again"
            )
        return path


def _attribute(element: Element, name: str, metadata: Metadata) -> str:
    value = element.get(name)
    if value is None:
        raise ProductError(
            f"{metadata.path}: <{element.tag.rpartition('}')[2]}> lacks its attribute {name!r}"
        )
    return value


def _whole(text: str, name: str, metadata: Metadata) -> int:
    try:
        return int(float(text))
    except (ValueError, OverflowError) as error:
        raise ProductError(f"{metadata.path}: {name} is {text!r}, not a number") from error


def _child(element: Element, tag: str, metadata: Metadata) -> int:
    for child in element:
        if child.tag.rpartition("}")[2] == tag:
            return _whole(child.text or "", f"<{tag}>", metadata)
    raise ProductError(
        f"{metadata.path}: expected a node <{tag}> below "
        f"<{element.tag.rpartition('}')[2]}>, found none"
    )
