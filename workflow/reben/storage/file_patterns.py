"""Files that the config names by a path or a pattern, such as ``worldcover/*_Map.tif``."""

from glob import glob
from pathlib import Path


def matching(pattern: str) -> list[Path]:
    """The files that a path or pattern names, sorted; ``**`` stands for folders of any depth."""
    if Path(pattern).is_file():  # also if its name has brackets
        return [Path(pattern)]
    found = map(Path, glob(pattern, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    return sorted(path for path in found if path.is_file())


def fixed_part(pattern: str) -> Path:
    """The folder that all files of a pattern lie below."""
    if Path(pattern).is_file():
        return Path(pattern).parent
    folder = Path(pattern)
    while folder.parent != folder and any(mark in str(folder) for mark in "*?["):
        folder = folder.parent
    return folder
