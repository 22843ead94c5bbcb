"""Legends: what the pixel values of a land cover map mean.

A legend is a CSV with the columns ``value,code,name,colour``. ``value`` is what the raster stores,
``code`` what a reference map has in its place; a value without code is unlabelled. The code differs
from the value where the value cannot stand in a reference map: Dynamic World's water is 0, which
is nodata there. Lines that begin with ``# name:`` and ``# credit:`` tell what the map is called and
how it asks to be credited. ``resources/legends/`` has the legends of several maps.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from reben.domain.plain_text import is_formula
from reben.land_cover.csv_rows import read_rows
from reben.land_cover.nomenclature import CODES, NO_CODE
from reben.runtime.errors import ConfigError
from reben.runtime.files import read_json

_COLUMNS = ("value", "code", "name", "colour")
_FACT = re.compile(r"^# (name|credit): *(\S.*?) *$", re.MULTILINE)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_SHIPPED = Path(__file__).parents[3] / "resources" / "legends"


@dataclass(frozen=True)
class Legend:
    """The values and codes of a land cover map.

    Attributes:
        map_name: what the map is called.
        credit: how it asks to be credited; may be empty.
        codes: code by value of the raster; `NO_CODE` where the value has none. By value.
        classes: name and colour (``#rrggbb``) by code.
    """

    map_name: str
    credit: str
    codes: dict[int, int]
    classes: dict[int, tuple[str, str]]

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """The legend as returned by `to_dict`; it has no values."""
        classes = {int(code): (name, colour) for code, (name, colour) in value["classes"].items()}
        return cls(value["map"], value["credit"], {}, classes)

    def to_dict(self) -> dict[str, Any]:
        """Name, credit and classes, for JSON."""
        classes = {str(code): list(kind) for code, kind in self.classes.items()}
        return {"map": self.map_name, "credit": self.credit, "classes": classes}

    def name(self, code: int) -> str:
        """The name of a code, for people."""
        if code == NO_CODE:
            return "No land cover"
        return self.classes[code][0] if code in self.classes else f"Code {code}"

    def colour(self, code: int) -> str:
        """The colour of a code, ``#rrggbb``; grey for one that has none."""
        return self.classes[code][1] if code in self.classes else "#bebebe"


def read_legend(path: str | os.PathLike[str]) -> Legend:
    """Read a legend.

    Raises:
        ConfigError: it is unreadable or has wrong columns, a cell that is not what it should be,
            the same value twice, one code with two names or colours, or no code at all.
    """
    codes: dict[int, int] = {}
    classes: dict[int, tuple[str, str]] = {}
    for line, cells in read_rows(path, "legend", _COLUMNS, comment="#"):
        for flaw in _flaws(cells):
            raise ConfigError(f"{path}, line {line}: {flaw}")
        value, code = int(cells["value"]), int(cells["code"] or NO_CODE)
        if value in codes:
            raise ConfigError(f"{path}, line {line}: the value {value} is repeated")
        codes[value] = code
        kind = (cells["name"], cells["colour"].lower())
        if cells["code"] and classes.setdefault(code, kind) != kind:
            raise ConfigError(
                f"{path}, line {line}: the code {code} is {' '.join(kind)} here, but "
                f"{' '.join(classes[code])} before; give both values the same name and colour"
            )
    if not classes:
        raise ConfigError(f"{path}: expected values with codes, found none")
    facts = dict(_FACT.findall(Path(path).read_text(encoding="utf-8-sig")))
    return Legend(
        facts.get("name", Path(path).stem),
        facts.get("credit", ""),
        dict(sorted(codes.items())),
        dict(sorted(classes.items())),
    )


def _flaws(cells: dict[str, str]) -> Iterator[str]:
    """What is wrong with a line."""
    value, code, name = cells["value"], cells["code"], cells["name"]
    if not re.fullmatch(r"-?[0-9]{1,10}", value):
        yield f"the value {value!r} is not a whole number"
    if not code:
        return
    if not re.fullmatch("[0-9]{1,9}", code) or int(code) not in CODES:
        yield (
            f"the code {code!r} is not a number from {min(CODES)} to {max(CODES)} other than "
            f"{NO_CODE}; 0 is nodata in a reference map, and {NO_CODE} is unlabelled. For a value "
            "without label, leave the code empty"
        )
    if not name or is_formula(name) or not name.isprintable():
        yield (
            f"the name {name!r} is empty, begins like a formula of a spreadsheet, or holds a "
            "character that cannot be printed"
        )
    if not _COLOUR.fullmatch(cells["colour"]):
        yield f"the colour {cells['colour']!r} is not of the form #rrggbb"


@cache
def corine_legend() -> Legend:
    """CORINE's level-3 classes with their official colours; as a raster, it stores 1 to 44."""
    return read_legend(_SHIPPED / "corine.csv")


def legend_of_clips(manifest: Path) -> Legend:
    """The legend in the manifest of a build's clips; CORINE's where there is none."""
    legend = read_json(manifest).get("legend") if manifest.is_file() else None
    return corine_legend() if legend is None else Legend.from_dict(legend)
