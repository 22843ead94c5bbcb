"""The names of Sentinel-1 scenes, and what follows from them.

In: the name of a GRD product. Out: its parts, its pass and relative orbit, the names of patches.
Source: Sentinel-1 Product Specification, section 3.4.1 (naming). Numbers of relative orbits:
S1Tiling (CNES) for the offsets of each mission; Sentinel-1C changed its orbit in June 2026.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from reben.domain.names import Sentinel1Name, parse_time
from reben.runtime.errors import ProductError

_SCENE = re.compile(
    r"(?P<stem>(?P<mission>S1[A-D])_IW_GRDH_1SDV_(?P<start>\d{8}T\d{6}))_(?P<stop>\d{8}T\d{6})"
    r"_(?P<orbit>\d{6})_[0-9A-F]{6}_[0-9A-F]{4}(?:_COG)?(?:\.SAFE)?"
)
_ANY_SCENE = re.compile(
    r"S1[A-D]_(?P<mode>IW|EW|WV|S[1-6]|EN|N[1-6])_(?P<type>RAW|SLC|GRD|OCN)(?P<resolution>[FHM_])_"
    r"\d(?:S|A)(?P<polarisation>SH|SV|DH|DV|HH|VV|VH|HV)_.*"
)
_WORDS = {"DV": "VV+VH", "DH": "HH+HV", "SV": "VV alone", "SH": "HH alone"}
#: Orbits of a cycle, and the offset of each mission's count of absolute orbits.
_CYCLE = 175
_OFFSETS = {"S1A": 73, "S1B": 27, "S1C": 172, "S1D": 42}
#: From about here on Sentinel-1C counts otherwise; sources differ on the day.
_S1C_MOVED = parse_time("20260609T000000")
#: Beyond this northing (75° of latitude) the hour does not tell the pass.
_POLAR_NORTHING = 8_325_000


@dataclass(frozen=True)
class SceneName:
    """A parsed name of a Sentinel-1 scene: ground range, dual-polarised VV+VH, in IW mode.

    Attributes:
        name: without ``.SAFE``.
        stem: its first five tokens, by which patches are named.
        mission: ``S1A`` to ``S1D``.
        start: start of sensing, UTC.
        orbit: absolute orbit.
    """

    name: str
    stem: str
    mission: str
    start: datetime
    orbit: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a name, with or without ``.SAFE``.

        Raises:
            ProductError: it is not that of a dual-polarised VV+VH scene in IW mode.
        """
        if match := _SCENE.fullmatch(name):
            start = parse_time(match["start"])
            parse_time(match["stop"])
            whole = name.removesuffix(".SAFE").removesuffix("_COG")
            return cls(whole, match["stem"], match["mission"], start, int(match["orbit"]))
        expected = (
            "expected the full name of a Sentinel-1 GRD product in IW mode with VV+VH, such as "
            "S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017018_01C579_7EEC"
        )
        other = _ANY_SCENE.fullmatch(name)
        if other and (other["mode"], other["type"], other["polarisation"]) != ("IW", "GRD", "DV"):
            bands = _WORDS.get(other["polarisation"], f"{other['polarisation']} alone")
            raise ProductError(
                f"{name!r} is {other['type']} in {other['mode']} mode with {bands}; {expected}"
            )
        raise ProductError(f"{name!r} is not the name of a scene; {expected}")

    @property
    def relative_orbit(self) -> int | None:
        """The relative orbit, 1 to 175; None where its count is not settled."""
        if self.mission == "S1C" and self.start >= _S1C_MOVED:
            return None
        return (self.orbit - _OFFSETS[self.mission]) % _CYCLE + 1

    def patch(self, mgrs: str, col: int, row: int) -> Sentinel1Name:
        """The name of its patch at a place of a tile."""
        sensing = f"{self.start:%Y%m%dT%H%M%S}"
        return Sentinel1Name(f"{self.stem}_{mgrs}_{col}_{row}", self.stem, sensing, mgrs, col, row)


def pass_of(sensing: datetime, epsg: int, y: float) -> str | None:
    """Whether Sentinel-1 flew north (``ascending``) or south (``descending``) at a place.

    It crosses the equator northwards at 18:00 local solar time (ESA, Sentinel-1 mission summary),
    so it ascends in the afternoon and descends in the morning, up to high latitudes.

    Args:
        sensing: UTC.
        epsg: UTM zone of the place.
        y: northing of the place, metres.

    Returns:
        The pass; None beyond 75° of latitude.
    """
    south = epsg > 32700
    if (10_000_000 - y if south else y) > _POLAR_NORTHING:
        return None
    longitude = 6 * (epsg % 100) - 183  # the middle of the zone: at most a quarter of an hour off
    local = sensing + timedelta(hours=longitude / 15)
    return "ascending" if local.hour >= 12 else "descending"
