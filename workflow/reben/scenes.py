"""Write the table of Sentinel-1 scenes for the rasters below a folder.

In: a folder with what HyP3 (RTC), s1ard (NRB), SNAP (BEAM-DIMAP or a GeoTIFF for each band) or
pyroSAR have written. Out: the table with a row for each pair of VV and VH, from names and headers
and the texts beside them; cells are empty where these do not say, and are to be filled in.
Source of the names: HyP3 RTC product guide; Sentinel-1 NRB product definition; SNAP's band names.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from reben.backscatter.scene_raster import SceneRaster, check_grids_equal
from reben.domain.scene_names import SceneName
from reben.runtime import cli
from reben.runtime.errors import ConfigError, ProductError, RasterError
from reben.runtime.files import files_below, write_text

log = logging.getLogger(__name__)

_RASTERS = (".tif", ".tiff", ".img")
#: The band in the name of a raster, which is the same for VH but for it.
_VV = re.compile(r"(?<![a-z0-9])vv(?![a-z0-9])", re.IGNORECASE)
_HYP3 = re.compile(r"_RTC\d+_[GS]_.(?P<scale>[pda]).(?P<filter>[nf])[a-z]{2}_[0-9A-F]{4}")
_ARD = re.compile(r"-(?:vv|vh)-[a-z]+-(?P<scale>lin|log)\b", re.IGNORECASE)
_CALIBRATED = re.compile(r"(?:sigma|gamma|beta)0[_-]v[vh]", re.IGNORECASE)
_DECIBELS = re.compile(r"(?:^|[_-])db(?![a-z0-9])", re.IGNORECASE)
_FILTERED = re.compile(r"_spk(?![a-z0-9])", re.IGNORECASE)
_SCALES = {"p": "power", "d": "db", "a": "amplitude", "lin": "power", "log": "db"}
_GRD = re.compile(r"S1[A-D]_IW_GRDH_1SDV_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}")
_TIME = re.compile(r"\d{8}T\d{6}", re.IGNORECASE)
#: Texts beside a raster, or in the folder above, that may name its scene.
_TEXTS = (".txt", ".md", ".xml", ".json", ".log", ".dim")
_MAX_TEXT_BYTES = 8 << 20


@dataclass(frozen=True)
class Found:
    """A row of the table, as text; empty where nothing says."""

    scene: str
    vv: str
    vh: str
    scale: str
    nodata: str = ""
    zero_is_nodata: str = ""
    relative_orbit: str = ""
    speckle_filtered: str = ""


def find_scenes(root: Path) -> list[Found]:
    """The pairs of VV and VH below a folder, sorted by path.

    Pairs that cannot be used as rasters are named in the log and left out.
    """
    found = []
    for vv, vh in pairs(root):
        try:
            one, other = SceneRaster(vv, ""), SceneRaster(vh, "")
            check_grids_equal(one, other)
        except RasterError as error:
            log.warning("left out: %s", error)
            continue
        one.close()
        other.close()
        found.append(
            Found(scene_of(vv), vv.as_posix(), vh.as_posix(), scale_of(vv), **filtering_of(vv))
        )
    return found


def pairs(root: Path) -> Iterator[tuple[Path, Path]]:
    """The paths of VV and VH whose names differ in that alone."""
    for name in sorted(files_below(root)):
        path = root / name
        if path.suffix.lower() not in _RASTERS or not (match := _VV.search(path.name)):
            continue
        twin = "vh" if match[0].islower() else "VH"
        other = path.with_name(path.name[: match.start()] + twin + path.name[match.end() :])
        if other.is_file():
            yield path, other
        else:
            log.warning("left out: %s has no %s beside it", path, other.name)


def scale_of(path: Path) -> str:
    """The scale of a raster by its name; empty if that does not say."""
    for pattern in (_HYP3, _ARD):
        if match := pattern.search(path.name):
            return _SCALES[match["scale"].lower()]
    if _DECIBELS.search(path.stem):
        return "db"
    # SNAP's bands are linear power, unless their names say decibels.
    return "power" if _CALIBRATED.search(path.name) else ""


def filtering_of(path: Path) -> dict[str, str]:
    """Whether speckle was filtered, by the names of a raster and its folder."""
    if match := _HYP3.search(path.name):
        return {"speckle_filtered": "yes" if match["filter"] == "f" else "no"}
    spoken = any(_FILTERED.search(part) for part in (path.stem, path.parent.stem))
    return {"speckle_filtered": "yes"} if spoken else {}


def scene_of(path: Path) -> str:
    """The scene of a raster: in its path, or the only one in the texts beside it; else empty.

    Where the raster's name has a time, only a scene that begins then counts: texts may name others.
    """
    for part in reversed(path.parts):
        if match := _GRD.search(part):
            return match[0]
    time = _TIME.search(path.name)
    named = {
        scene
        for scene in _scenes_beside(path)
        if time is None or time[0].upper() == f"{SceneName.parse(scene).start:%Y%m%dT%H%M%S}"
    }
    return named.pop() if len(named) == 1 else ""


def _scenes_beside(path: Path) -> set[str]:
    found: set[str] = set()
    for folder in (path.parent, path.parent.parent):
        for text in sorted(folder.iterdir()):
            if text.suffix.lower() in _TEXTS and text.stat().st_size <= _MAX_TEXT_BYTES:
                found |= set(_GRD.findall(text.read_text(encoding="utf-8", errors="replace")))
        if found:
            break
    return {scene for scene in found if _is_scene(scene)}


def _is_scene(name: str) -> bool:
    try:
        SceneName.parse(name)
    except ProductError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> None:
    """Write the table."""
    parser = cli.parser(__doc__, example="rtc/ --out scenes.tsv")
    parser.add_argument("folder", type=Path, help="folder of the rasters")
    parser.add_argument("--out", type=Path, required=True, help="scene table to write")
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        raise ConfigError(f"{args.folder}: expected a folder of rasters, found none")
    rows = find_scenes(args.folder)
    if not rows:
        raise ConfigError(
            f"{args.folder}: expected rasters of VV and VH, named alike but for the band, such as "
            "…_VV.tif and …_VH.tif; found none that can be used"
        )
    named = [row.scene for row in rows if row.scene]
    if twice := sorted({scene for scene in named if named.count(scene) > 1}):
        log.warning(
            "%d scenes have several rasters, such as %s; leave one row of each, or put rasters of "
            "neighbouring tiles together (gdal_merge.py)",
            len(twice),
            twice[0],
        )
    columns = [field.name for field in fields(Found)]
    lines = [columns, *map(astuple, rows)]
    write_text(args.out, "".join("\t".join(line) + "\n" for line in lines))
    blank = {name: sum(not getattr(row, name) for row in rows) for name in ("scene", "scale")}
    for name, count in blank.items():
        if count:
            log.warning("%d rows lack their %s, which nothing says: fill it in", count, name)
    log.info("%s: %d pairs of VV and VH", args.out, len(rows))


if __name__ == "__main__":
    cli.run(main)
