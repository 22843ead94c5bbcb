"""The table of Sentinel-1 scenes that patches are cut from.

Tab-separated text with a header; columns and their meaning are in
``workflow/schemas/scenes.schema.json``. The rasters are not opened here: planning needs no GDAL,
and checks what names and cells say (`reben.scene_index` opens them).
"""

import os
import re
from collections.abc import Iterable
from pathlib import PurePath

from reben.config.scene_row import SceneRow
from reben.config.schema_rows import read_rows
from reben.domain.names import parse_time
from reben.domain.scene_names import SceneName
from reben.runtime.errors import ConfigError, ProductError

#: What rasters call their backscatter: SNAP and pyroSAR in words, HyP3 and s1ard in letters.
_BACKSCATTER = re.compile(
    r"(?P<word>sigma|gamma|beta)(?:[_-]?(?:0|nought|naught))(?![0-9])"
    r"|_RTC\d+_(?P<hyp3>[GS])_|-(?P<ard>[gs])-(?:lin|log)\b",
    re.IGNORECASE,
)
_LETTERS = {"g": "gamma0", "s": "sigma0"}
#: ESA's processor leaves less noise at the borders of scenes since IPF 2.90.
_CLEAN_BORDERS = parse_time("20180313T000000")
_MAX_NAMED = 3


def read_scenes(
    path: str | os.PathLike[str], backscatter: str | None = None
) -> dict[str, SceneRow]:
    """Read and check a scene table.

    Args:
        path: the table.
        backscatter: what the config says that the rasters are, ``sigma0`` or the like.

    Returns:
        The scenes by name, sorted.

    Raises:
        ConfigError: the table is unreadable, a row breaks the schema, is not a dual-polarised
            VV+VH scene in IW mode, or occurs twice; or the rows mix backscatter or filtering.
    """
    scenes: dict[str, SceneRow] = {}
    stems: dict[str, str] = {}
    used: dict[str, str] = {}
    for where, cells in read_rows(path, "scenes", "sentinel1.scenes", {}):
        row = _row(cells, where)
        other = stems.setdefault(row.name.stem, row.scene)
        if row.scene in scenes or other != row.scene:
            raise ConfigError(
                f"{where}: {row.scene} and {other} are the same scene twice, {row.name.stem}, by "
                "which its patches are named; keep one of the rows"
            )
        for raster in row.rasters.values():
            if (holder := used.setdefault(os.path.normpath(raster), row.scene)) != row.scene:
                raise ConfigError(
                    f"{where}: {raster} is also the raster of {holder}; expected rasters of its own"
                )
        if os.path.normpath(row.vv) == os.path.normpath(row.vh):
            raise ConfigError(
                f"{where}: vv and vh are the same file, {row.vv}; expected one file for each "
                "(gdal_translate -b writes a band of a file to one of its own)"
            )
        scenes[row.scene] = row
    _check_alike(path, scenes.values(), backscatter)
    return dict(sorted(scenes.items()))


def border_noise_warnings(names: Iterable[str]) -> list[str]:
    """What to say of scenes of before March 2018, if there are any."""
    early = [name for name in names if SceneName.parse(name).start < _CLEAN_BORDERS]
    if not early:
        return []
    more = f" and {len(early) - _MAX_NAMED} more" if len(early) > _MAX_NAMED else ""
    return [
        f"{len(early)} Sentinel-1 scenes were sensed before March 2018: their borders hold noise "
        "unless it was removed (SNAP: Remove-GRD-Border-Noise): "
        f"{', '.join(early[:_MAX_NAMED])}{more}"
    ]


def _row(cells: dict[str, str], where: str) -> SceneRow:
    try:
        name = SceneName.parse(cells["scene"])
    except ProductError as error:
        raise ConfigError(f"{where}, scene: {error}") from error
    scale, filtered = cells["scale"], cells.get("speckle_filtered")
    orbit = cells.get("relative_orbit")
    return SceneRow(
        scene=name.name,
        vv=cells["vv"],
        vh=cells["vh"],
        scale=scale,
        nodata=float(cells["nodata"]) if "nodata" in cells else None,
        zero_is_nodata=cells.get("zero_is_nodata", "no" if scale == "db" else "yes") == "yes",
        relative_orbit=int(orbit) if orbit else name.relative_orbit,
        speckle_filtered=None if filtered is None else filtered == "yes",
    )


def backscatter_of(raster: str) -> str | None:
    """What a raster's name says that it holds, ``sigma0`` or ``gamma0``; None if it says nothing.

    The name is that of the file, as SNAP (``Sigma0_VV.img``), HyP3 (``…_RTC10_G_…``), s1ard
    (``…-vv-g-lin.tif``) and pyroSAR write it.
    """
    match = _BACKSCATTER.search(PurePath(raster).name)
    if match is None:
        return None
    letter = match["hyp3"] or match["ard"]
    return _LETTERS[letter.lower()] if letter else f"{match['word'].lower()}0"


def _check_alike(
    path: str | os.PathLike[str], rows: Iterable[SceneRow], backscatter: str | None
) -> None:
    """Check that values of different scenes can be compared."""
    kinds: dict[str, str] = {backscatter: "sentinel1.backscatter"} if backscatter else {}
    filters: dict[bool, str] = {}
    for row in rows:
        for raster in row.rasters.values():
            if kind := backscatter_of(raster):
                kinds.setdefault(kind, raster)
        if row.speckle_filtered is not None:
            filters.setdefault(row.speckle_filtered, row.scene)
    if len(kinds) > 1:
        found = ", ".join(f"{kind} ({where})" for kind, where in sorted(kinds.items()))
        raise ConfigError(
            f"{path}: expected one kind of backscatter, found {found}, by the names; their values "
            "cannot be compared. Leave out the rows of all but one, or make them again"
        )
    if len(filters) > 1:
        raise ConfigError(
            f"{path}: {filters[True]} is speckle-filtered and {filters[False]} is not; expected "
            "one or the other of all scenes. Leave out the rows of one, or make them again"
        )
