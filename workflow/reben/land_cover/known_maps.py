"""Land cover maps by the names of their files, for a config to start from.

In: the names of raster files. Out: which of the legends that the workflow ships is theirs. Names
are as the producers give them; a file that was renamed is not known.
"""

import re
from collections.abc import Iterable
from pathlib import Path

#: By legend: ESA_WorldCover_10m_2021_v200_N36E012_Map.tif; CLMS_CLCplus_RASTER_2021_…;
#: 33U_20210101-20220101.tif, 33U-2021.tif and io-lulc…; Dynamic World, by whoever exports it;
#: U2018_CLC2018_V2020_20u1.tif.
_NAMES = {
    "esa_worldcover": r"world_?cover",
    "clcplus_backbone": r"clc_?\+|clc_?plus",
    "esri_annual": r"^\d\d[C-X][_-]20\d\d(?:\d{4}-20\d{6})?\.|\bio[-_]lulc|esri",
    "dynamic_world": r"dynamic[-_ ]?world|^dw[-_]",
    "corine": r"(?<![a-z])clc(?:19|20)\d\d|corine",
}
_RASTERS = frozenset((".tif", ".tiff", ".vrt"))


def is_raster(path: str) -> bool:
    """Whether a path or pattern is that of a raster file."""
    return Path(path).suffix.lower() in _RASTERS


def legend_of(files: Iterable[str | Path]) -> str | None:
    """The legend of the files, ``esa_worldcover`` or the like; None if not of one known map."""
    found = {
        next((map_ for map_, name in _NAMES.items() if re.search(name, file, re.IGNORECASE)), None)
        for file in (Path(file).name for file in files)
    }
    return found.pop() if len(found) == 1 else None
