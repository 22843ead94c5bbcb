"""Vector files that are delivered in a zip, as those of the Copernicus Land Monitoring Service.

In: a zip with one GeoPackage, FileGDB, Shapefile or the like, and whatever else. Out: that,
unpacked for as long as it is needed: GDAL could read it in the zip, but would unpack it for every
look.
"""

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from reben.runtime.errors import VectorError
from reben.runtime.files import check_space

_FILES = (".gpkg", ".shp", ".fgb", ".geojson", ".parquet")
_FOLDER = ".gdb"
#: Far more than the files of a FileGDB.
_MAX_ENTRIES = 10_000
_LISTED = 5


@contextmanager
def unpacked(path: str | os.PathLike[str], beside: Path) -> Iterator[str]:
    """The vector file or folder of a path: in the zip that it names, or else the path itself.

    Args:
        path: as the config has it.
        beside: folder for the unpacked file while it is needed.

    Raises:
        VectorError: the zip is damaged or does not hold just one.
        SpaceError: the disk has no room for it.
    """
    if not is_packed(path):
        yield os.fspath(path)
        return
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=f".part-{Path(path).name}-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                yield os.fspath(_unpack(archive, Path(path), Path(folder)))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise VectorError(f"{path}: the zip is damaged ({error}); fetch it again") from error


def is_packed(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a zip."""
    return Path(path).suffix.lower() == ".zip" and zipfile.is_zipfile(path)


def check_archive(path: str | os.PathLike[str]) -> None:
    """Check that a zip holds one vector file, without unpacking it.

    Raises:
        VectorError: it does not, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _chosen(archive, Path(path))
    except zipfile.BadZipFile as error:
        raise VectorError(f"{path}: the zip is damaged ({error}); fetch it again") from error


def _chosen(archive: zipfile.ZipFile, path: Path) -> PurePosixPath:
    """The one vector file or folder in a zip."""
    entries = archive.infolist()
    places = (_dataset(PurePosixPath(entry.filename)) for entry in entries[:_MAX_ENTRIES])
    names = {place for place in places if place is not None}
    if len(names) != 1:
        found = sorted(map(str, names)) or [entry.filename for entry in entries]
        raise VectorError(
            f"{path}: expected one GeoPackage, FileGDB or other vector file in the zip, found "
            f"{len(names)}: {', '.join(found[:_LISTED])}; unpack it, and name the file"
        )
    return names.pop()


def _unpack(archive: zipfile.ZipFile, path: Path, folder: Path) -> Path:
    chosen = _chosen(archive, path)
    parts = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and _belongs(PurePosixPath(entry.filename), chosen)
    ]
    target = folder / chosen.name
    if chosen.suffix.lower() == _FOLDER:
        target.mkdir()
    check_space(folder, sum(entry.file_size for entry in parts), f"unpacking {path}")
    for entry in parts:
        if stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & 1:
            raise VectorError(
                f"{path}: the entry {entry.filename!r} is a link or encrypted; unpack the zip by "
                "other means, and name the file"
            )
        name = PurePosixPath(entry.filename).name  # nothing can lead out of the folder
        out = target / name if target.is_dir() else folder / name
        with archive.open(entry) as packed, out.open("xb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
    return target


def _dataset(name: PurePosixPath) -> PurePosixPath | None:
    """The vector file or folder that an entry belongs to, if it is one or lies in one."""
    for folder in name.parents:
        if folder.suffix.lower() == _FOLDER:
            return folder
    return name if name.suffix.lower() in (*_FILES, _FOLDER) else None


def _belongs(name: PurePosixPath, chosen: PurePosixPath) -> bool:
    if chosen.suffix.lower() == ".shp":
        return name.parent == chosen.parent and name.stem == chosen.stem
    return name == chosen or name.parent == chosen
