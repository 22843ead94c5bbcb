"""The land cover of a build: polygons of CORINE, or the raster files of any map.

In: the sections ``corine``, ``land_cover`` and ``labels`` of the configuration. Out: whether they
go together, and which files they name.
"""

import json
import re
from pathlib import Path
from typing import Any

from reben.land_cover.legend import read_legend
from reben.land_cover.nomenclature import CORINE_CODES, NO_CODE, read_nomenclature
from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import ConfigError
from reben.storage.file_patterns import matching

_SCHEMA = PACKAGE.parent / "schemas" / "config.schema.json"
_NOMENCLATURES = Path("resources", "nomenclature")
_YEAR = re.compile(r"(?<!\d)(?:19[89]|20[0-9])\d(?!\d)")


def is_raster(config: dict[str, Any]) -> bool:
    """Whether land cover comes from raster files."""
    return bool(config.get("land_cover", {}).get("files"))  # audits of earlier builds lack it


def patterns(config: dict[str, Any]) -> dict[str, str]:
    """The paths and patterns of the raster files, by key."""
    files = config["land_cover"]["files"] or []
    if isinstance(files, str):
        return {"land_cover.files": files}
    return {f"land_cover.files[{i}]": pattern for i, pattern in enumerate(files)}


def land_cover_inputs(config: dict[str, Any]) -> dict[str, str]:
    """What land cover is made from, by key."""
    if not is_raster(config):
        return {"corine.path": config["corine"]["path"]}
    return {**patterns(config), "land_cover.legend": config["land_cover"]["legend"]}


def release(config: dict[str, Any]) -> str | None:
    """The name and release of the land cover map, as it is to be cited; None if it is not said."""
    name: str | None = config["land_cover" if is_raster(config) else "corine"]["release"]
    return f"CORINE Land Cover {name}" if name and not is_raster(config) else name


def map_year(config: dict[str, Any]) -> int | None:
    """The year of a raster map: the one in its release, or else in the names of all its files."""
    files = [path.name for pattern in patterns(config).values() for path in matching(pattern)]
    for texts in ([config["land_cover"]["release"] or ""], files):
        years = {frozenset(_YEAR.findall(text)) for text in texts}
        if len(years) == 1 and len(year := years.pop()) == 1:
            return int(*year)
    return None


def pair_nomenclature(config: dict[str, Any], home: Path) -> None:
    """In place of the default nomenclature, take that of the legend, if the codes are others.

    Its classes are the map's own. Only a nomenclature that the workflow ships is taken.

    Args:
        config: changed in place.
        home: folder of the workflow.
    """
    labels, legend = config["labels"], config["land_cover"]["legend"]
    default = home / _default("labels", "nomenclature")
    if not is_raster(config) or legend is None or not Path(labels["nomenclature"]).exists():
        return
    own = home / _NOMENCLATURES / Path(legend).name
    if Path(labels["nomenclature"]).resolve() != default.resolve() or not own.exists():
        return
    if not read_nomenclature(default).keys() <= read_legend(legend).classes.keys():
        labels["nomenclature"] = str(own)


def check_land_cover(config: dict[str, Any]) -> None:
    """Check that what the configuration says of land cover goes together.

    Raises:
        ConfigError: two kinds of land cover are named, a legend is missing or malformed, or the
            nomenclature has other codes.
    """
    nomenclature, section = config["labels"]["nomenclature"], config["land_cover"]
    if not is_raster(config):
        if lost := [
            f"land_cover.{key}" for key, value in section.items() if value not in (None, [])
        ]:
            raise ConfigError(
                f"{', '.join(lost)} is set without land_cover.files; name the files of the map, or "
                "remove it"
            )
        read_nomenclature(nomenclature, CORINE_CODES - {NO_CODE}, "CORINE Land Cover")
        return
    if Path(config["corine"]["path"]) != Path(_default("corine", "path")):
        raise ConfigError(
            f"corine.path is {config['corine']['path']!r} and land_cover.files is "
            f"{section['files']!r}; expected one of the two, remove the other"
        )
    if section["legend"] is None:
        raise ConfigError(
            "land_cover.legend is not set; expected a CSV with value,code,name,colour that says "
            "what the values of land_cover.files mean, such as resources/legends/esa_worldcover.csv"
        )
    for key, pattern in patterns(config).items():
        if Path(pattern).is_dir():
            raise ConfigError(
                f"{key} is the folder {pattern!r}; expected files: name them, as with "
                f"{Path(pattern, '*.tif').as_posix()}"
            )
    legend = read_legend(section["legend"])
    read_nomenclature(nomenclature, legend.classes, f"the legend {section['legend']}")


def _default(section: str, key: str) -> str:
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    default: str = schema["properties"][section]["properties"][key]["default"]
    return default
