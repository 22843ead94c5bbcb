"""Files that are either complete or absent.

Every output is written next to its target under a temporary name and renamed when
complete, so a killed job leaves nothing that looks finished. Leftovers of killed jobs
start with ``.part-`` and are removed by the next try. Files and LMDBs are synced to disk
before they are renamed; syncing each of a folder's 100,000 files would take longer than
writing them.
"""

import bz2
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from reben.runtime.errors import OwnershipError, SpaceError, TableError


def _part(path: Path) -> Path:
    return path.with_name(f".part-{path.name}")


def aside(path: Path) -> Path:
    """Where a folder is moved to be removed; what is left there is of a killed process."""
    return path.with_name(f".part-old-{path.name}")


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path; if the block succeeds, it is renamed to `path`."""
    path = Path(path)
    part = _part(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_directory(
    path: str | os.PathLike[str], *, replaces: Container[str] = ()
) -> Iterator[Path]:
    """Yield an empty temporary folder; if the block succeeds, it is renamed to `path`.

    If the block fails, the temporary folder is removed.

    Args:
        path: a new or empty folder. Snakemake removes the outputs of a job before it runs, so what
            is there is not from an earlier one but the user's.
        replaces: names of files that may be there all the same, and are replaced.

    Raises:
        OwnershipError: something else is there.
    """
    path = Path(path).absolute()
    foreign = [name for name in _names(path) if name not in replaces]
    if foreign:
        raise OwnershipError(
            f"{path}: expected a new folder for the output, found {len(foreign)} files or folders "
            f"in it, such as {min(foreign)}. Name another folder, or remove it if it is not needed"
        )
    part, old = _part(path), aside(path)
    _remove(part)
    _remove(old)
    part.mkdir(parents=True)
    try:
        yield part
        if path.is_dir():
            # Renamed first: a folder being removed would still look finished.
            path.replace(old)
        part.replace(path)
    finally:
        _remove(part)
        _remove(old)


def _names(path: Path) -> list[str]:
    """What is in a folder; the path itself if it is a file."""
    try:
        return [inside.name for inside in path.iterdir()]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        return [path.name]


def _remove(folder: Path) -> None:
    """Remove a folder, or a link to one, if it exists."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def check_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Check that the disk of a folder has enough room, before spending hours to find out.

    Raises:
        SpaceError: it does not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise SpaceError(
            f"{folder}: expected {needed_bytes / 1e9:.1f} GB of free disk for {what}, found "
            f"{free / 1e9:.1f} GB; free some space and run the same command again"
        )


def files_below(root: str | os.PathLike[str], *, follow_links: bool = False) -> Iterator[str]:
    """The paths of all files below a folder, relative to it, unsorted."""
    for folder, _, names in os.walk(root, followlinks=follow_links):
        inside = os.path.relpath(folder, root)
        yield from (os.path.normpath(f"{inside}/{name}") for name in names)


def subfolders(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder, unsorted."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def file_facts(path: str | os.PathLike[str]) -> list[int]:
    """Size and time of a file, by which a plan sees that it is another."""
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, UTF-8."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def read_json(
    path: str | os.PathLike[str],
    advice: str = "remove the file, so that the workflow makes it again",
) -> Any:
    """Read a JSON file that another step wrote.

    Args:
        path: the file.
        advice: what to do if it is damaged, where no step makes it again.

    Raises:
        TableError: it is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TableError(f"{path}: expected a JSON file, found none") from error
    except (ValueError, RecursionError) as error:
        raise TableError(
            f"{path}: expected JSON, found something else ({error}); {advice}"
        ) from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file's content, decompressed if its name ends in ``.bz2``."""
    data = Path(path).read_bytes()
    return bz2.decompress(data) if os.fspath(path).endswith(".bz2") else data


def read_lines(path: str | os.PathLike[str], count: int) -> bytes:
    """The first lines of a file, decompressed if its name ends in ``.bz2``."""
    with bz2.open(path) if os.fspath(path).endswith(".bz2") else Path(path).open("rb") as file:
        return b"".join(islice(file, count))


def file_digest(path: str | os.PathLike[str], algorithm: str | Callable[[], Any]) -> str:
    """The digest of a file's bytes as lower-case hexadecimal digits.

    Args:
        path: the file.
        algorithm: a name that `hashlib` knows, or a function that creates a digest.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes as lower-case hexadecimal digits."""
    return file_digest(path, "sha256")
