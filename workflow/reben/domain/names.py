"""The names of products, tiles, patches, files and entries, and their parts.

In: a name, or its parts. Out: the parts, or the name. Only this module composes or parses
names (for columns of names: `reben.domain.name_columns`).
Source: Sentinel-2 Products Specification Document, section 3.4 (compact naming);
BigEarthNet v2 and v1 for patches.

- **product**: ``S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000[.SAFE]``
- **tile**: the L2A product name without its processing time, this project's only
  wildcard: ``S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP``
- **patch**: ``{tile}_{col:02d}_{row:02d}``; smaller patches than the published ones may
  have columns and rows of more digits
- **Sentinel-1 patch**: ``S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_40``, indices unpadded
- **v1 patch**: ``S2A_MSIL2A_20170613T101031_70_40``, indices unpadded, no tile
- **GeoTIFF**: ``{patch}_{layer}.tif``; the layer is a band or ``reference_map``
- **entry of the LMDB**: the patch, for its reference map ``{patch}_reference_map``, or the
  Sentinel-1 patch
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from reben.runtime.errors import ProductError

#: A tile, as a pattern without groups: the constraint of Snakemake's ``{tile}``.
TILE_PATTERN = r"S2[A-D]_MSIL2A_\d{8}T\d{6}_N\d{4}_R\d{3}_T\d{2}[A-Z]{3}"

#: Baseline that sen2cor writes into the names of products made outside ESA's own processing.
SEN2COR_BASELINE = "N9999"

_PRODUCT = re.compile(
    r"(?P<mission>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<sensing>\d{8}T\d{6})"
    r"_(?P<baseline>N\d{4})_(?P<orbit>R\d{3})_T(?P<mgrs>\d{2}[A-Z]{3})"
    r"(?:_(?P<processing>\d{8}T\d{6}))?(?:\.SAFE)?"
)
#: A patch, as a pattern; column and row have two digits or, from 100, more.
PATCH_PATTERN = rf"(?P<tile>{TILE_PATTERN})_(?P<place>(?P<col>\d{{2,}})_(?P<row>\d{{2,}}))"
_PATCH = re.compile(PATCH_PATTERN)
_FILE = re.compile(rf"(?P<patch>{PATCH_PATTERN})_(?P<layer>[A-Za-z]\w*)")
#: A patch of v1: its time of day has five or six digits, and its indices are not padded.
_V1_PATCH = re.compile(r"S2[A-D]_MSIL2A_\d{8}T\d{5,6}(?:_(?:0|[1-9]\d?)){2}")
#: The folder of a patch of any kind, of v1 too: its name ends in column and row.
_PATCH_FOLDER = re.compile(r".+_\d{1,4}_\d{1,4}")
#: What people call a patch for short; Sentinel-1 names of patches end so, too.
_SHORT = re.compile(r"(?:.*_)?T?(?P<mgrs>\d{2}[A-Z]{3})_(?P<col>\d{1,4})_(?P<row>\d{1,4})")
_SENTINEL1 = re.compile(
    r"(?P<scene>(?P<mission>S1[A-D])_IW_GRDH_1SDV_(?P<sensing>\d{8}T\d{6}))"
    r"_(?P<mgrs>\d{2}[A-Z]{3})_(?P<col>\d{1,4})_(?P<row>\d{1,4})"
)


def parse_time(text: str) -> datetime:
    """A compact time of a product name (``20170613T101031``), in UTC.

    Raises:
        ProductError: the digits are not a date and time.
    """
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise ProductError(f"{text!r} is not a time of the form YYYYMMDDThhmmss") from error


@dataclass(frozen=True)
class ProductName:
    """A parsed Sentinel-2 product name.

    Attributes:
        mission: ``S2A`` to ``S2D``.
        level: ``L1C`` or ``L2A``.
        sensing: start of the datatake, compact UTC.
        baseline: processing baseline, ``N0205``; ``N9999`` if the user ran sen2cor.
        orbit: relative orbit, ``R022``.
        mgrs: tile of the military grid, ``33UUP``.
        processing: product discriminator, or None if the name ends before it.
    """

    mission: str
    level: str
    sensing: str
    baseline: str
    orbit: str
    mgrs: str
    processing: str | None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a product name, with or without ``.SAFE``.

        Raises:
            ProductError: it is not a Sentinel-2 L1C or L2A product name.
        """
        match = _PRODUCT.fullmatch(name)
        if match is None:
            raise ProductError(
                f"{name!r} is not a Sentinel-2 L1C or L2A product name; expected the form "
                "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"
            )
        parsed = cls(**match.groupdict())
        parse_time(parsed.sensing)
        return parsed

    @property
    def tile(self) -> str:
        """The tile that this product becomes; an L1C product gets sen2cor's N9999."""
        baseline = SEN2COR_BASELINE if self.level == "L1C" else self.baseline
        return "_".join(
            (self.mission, "MSIL2A", self.sensing, baseline, self.orbit, f"T{self.mgrs}")
        )

    @property
    def day(self) -> str:
        """The day of sensing, ``2017-06-13``."""
        return f"{self.sensing[:4]}-{self.sensing[4:6]}-{self.sensing[6:8]}"

    @property
    def observation(self) -> str:
        """What was sensed: mission, sensing time, orbit and tile, whatever was made of it since."""
        return "_".join((self.mission, self.sensing, self.orbit, f"T{self.mgrs}"))


def sensing_time(tile: str) -> datetime:
    """Start of the datatake of a tile, UTC, from its name."""
    return parse_time(ProductName.parse(tile).sensing)


def is_product_name(name: str) -> bool:
    """Whether `ProductName` can parse it."""
    try:
        ProductName.parse(name)
    except ProductError:
        return False
    return True


@dataclass(frozen=True)
class PatchName:
    """A parsed patch name: its tile, and column and row from the upper left, from 0."""

    tile: str
    col: int
    row: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a patch name.

        Raises:
            ProductError: it is not a patch name.
        """
        match = _PATCH.fullmatch(name)
        if match is None:
            raise ProductError(f"{name!r} is not a patch name; expected {{tile}}_{{col}}_{{row}}")
        return cls(match["tile"], int(match["col"]), int(match["row"]))

    @property
    def place(self) -> str:
        """Column and row as in the name, ``70_40``."""
        return f"{self.col:02d}_{self.row:02d}"

    def __str__(self) -> str:
        return f"{self.tile}_{self.place}"


def patch_id(tile: str, col: int, row: int) -> str:
    """The name of a patch: column first, both with two digits or, from 100, more."""
    return str(PatchName(tile, col, row))


def tile_of(patch: str) -> str:
    """The tile of a patch.

    Raises:
        ProductError: it is not a patch name.
    """
    return PatchName.parse(patch).tile


def is_patch_id(name: str) -> bool:
    """Whether it is the name of a patch as `PatchName` writes it, with no more digits."""
    return _PATCH.fullmatch(name) is not None and str(PatchName.parse(name)) == name


def short_place(name: str) -> tuple[str, int, int] | None:
    """Tile of the military grid, column and row of a short name of a patch; None for others.

    Args:
        name: ``T33UUP_00_07`` or ``33UUP_0_7``, or what ends so, like a Sentinel-1 patch name.
    """
    match = _SHORT.fullmatch(name)
    return (match["mgrs"], int(match["col"]), int(match["row"])) if match else None


def is_v1_name(name: str) -> bool:
    """Whether it is the name of a patch of BigEarthNet v1, in the form of the published lists."""
    return _V1_PATCH.fullmatch(name) is not None


def is_patch_folder(name: str) -> bool:
    """Whether a folder is named after a Sentinel-1 or 2 patch, not after a tile or scene."""
    return _PATCH_FOLDER.fullmatch(name) is not None


#: The layer of a patch's reference map; all others are bands.
REFERENCE_MAP = "reference_map"


def file_stem(patch: str, layer: str) -> str:
    """The name of a GeoTIFF without ``.tif``; `layer` is a band or `REFERENCE_MAP`."""
    return f"{patch}_{layer}"


@dataclass(frozen=True)
class FileName:
    """A parsed name of a GeoTIFF: its patch, and its layer, a band or `REFERENCE_MAP`."""

    patch: str
    layer: str

    @classmethod
    def match(cls, stem: str) -> Self | None:
        """Parse the name of a Sentinel-2 GeoTIFF or reference map; None if it is neither.

        Args:
            stem: the name without ``.tif``.
        """
        match = _FILE.fullmatch(stem)
        return cls(match["patch"], match["layer"]) if match else None

    def __str__(self) -> str:
        return file_stem(self.patch, self.layer)


#: Kinds of LMDB entries: Sentinel-2, Sentinel-1 and land cover.
ENTRY_KINDS = ("s2", "s1", "reference_maps")


def entry_key(kind: str, patch: str) -> str:
    """The key of a patch in the LMDB; `kind` is one of `ENTRY_KINDS`."""
    return file_stem(patch, REFERENCE_MAP) if kind == "reference_maps" else patch


@dataclass(frozen=True)
class Sentinel1Name:
    """A parsed BigEarthNet-S1 patch name.

    Attributes:
        name: name as written; the indices are padded in some copies only.
        scene: the product part, ``S1A_IW_GRDH_1SDV_20170613T165043``.
        sensing: start of acquisition, compact UTC.
        mgrs: tile of the military grid of the Sentinel-2 patch, ``33UUP``.
        col: column of the Sentinel-2 patch.
        row: row of the Sentinel-2 patch.
    """

    name: str
    scene: str
    sensing: str
    mgrs: str
    col: int
    row: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a Sentinel-1 patch name, padded or not.

        Raises:
            ProductError: it is not a Sentinel-1 patch name.
        """
        match = _SENTINEL1.fullmatch(name)
        if match is None:
            raise ProductError(
                f"{name!r} is not a BigEarthNet-S1 patch name; expected the form "
                "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_40"
            )
        return cls(
            name,
            match["scene"],
            match["sensing"],
            match["mgrs"],
            int(match["col"]),
            int(match["row"]),
        )
