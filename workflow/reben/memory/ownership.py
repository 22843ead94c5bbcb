"""What the build may delete: the folders below the results that it made itself.

Snakemake removes outputs before it makes them again, and a folder with all that is in it. So
every folder at the first level of the results is written down as the build's own before it is
made; one that was there before is refused.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from reben.memory.record import MEMORY
from reben.runtime.errors import ConfigError, OwnershipError
from reben.runtime.files import write_text

_FOLDERS = ".folders"


def check_place(results: str, inputs: Mapping[str, str], home: Path) -> None:
    """Check that results can lie there, before anything is planned: apart from all else.

    Args:
        results: folder of the results.
        inputs: paths of all inputs, by what names them.
        home: folder of the workflow.

    Raises:
        ConfigError: it is the root, the home, the clone, the current folder or one above them,
            or an input lies in it, or it in an input.
    """
    root = Path(results).resolve()
    for place in (Path.home(), home.resolve(), Path.cwd()):
        if place == root or place.is_relative_to(root):
            raise ConfigError(
                f"results is {results!r}; expected a folder for the results alone, found one that "
                f"holds {place}. Name a new folder, such as results/tyrol"
            )
    for key, path in inputs.items():
        place = Path(path).resolve()
        if place.is_relative_to(root) or (place.is_dir() and root.is_relative_to(place)):
            raise ConfigError(
                f"{key} is {path!r} and results is {results!r}; expected inputs apart from the "
                "results, which the build writes and deletes. Name another `results` folder"
            )


def take_possession(results: str, stages: Iterable[str]) -> None:
    """Write down the folders of the results as the build's own, as far as they are not there.

    Raises:
        OwnershipError: one is there that no build made.
    """
    register = Path(results, MEMORY, _FOLDERS)
    own = register.read_text(encoding="utf-8").split("\n") if register.exists() else []
    known = set(own)
    foreign = [s for s in stages if s not in known and Path(results, s).exists()]
    if foreign:
        raise OwnershipError(
            f"{results}: {', '.join(foreign)} was not made by this workflow, which would replace "
            "what is in it. Name another `results` folder or move it away. If it is a build of "
            f"version 0.1, take it over:\n  mkdir -p {register.parent} && printf "
            f"'%s\\n' {' '.join(stages)} > {register}"
        )
    if new := [stage for stage in stages if stage not in known]:
        write_text(register, "\n".join([*filter(None, own), *new]) + "\n")
