"""Step check_sen2cor: check that the installed sen2cor is the version in the config.

In: the command and the expected version. Out: a small JSON with the version found. The
workflow runs this once, before the first tile; `reben.sen2cor` checks again for every tile,
in case another version is installed meanwhile.
"""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from reben.runtime import cli
from reben.runtime.errors import ToolError
from reben.runtime.files import write_json
from reben.runtime.libraries import without_library_settings
from reben.runtime.processes import run_program

log = logging.getLogger(__name__)

#: As in the help: "Sentinel-2 Level 2A Processor (Sen2Cor). Version: 2.8.0, created: …".
_VERSION = re.compile(r"Sen2Cor\)?\.?\s+Version:\s*(\d+(?:\.\d+)*)", re.IGNORECASE)
_HELP_LIMIT_S = 300


def check_version(command: str, expected: str) -> str:
    """Return the version of sen2cor if it is the expected one.

    Args:
        command: ``L2A_Process`` or its path.
        expected: version or its leading parts: ``2.11`` accepts 2.11.0 and 02.11.00.

    Returns:
        The version found, without leading zeros in its parts.

    Raises:
        ToolError: the command does not exist, does not report its version, or has another one.
    """
    lines: list[str] = []
    try:
        status = run_program([command, "--help"], environment(), _HELP_LIMIT_S, lines.append)
    except OSError as error:
        raise ToolError(
            f"sen2cor: expected to run {command!r} --help, but {error}. Install sen2cor "
            f"{expected} from step.esa.int and set sen2cor.command to its L2A_Process"
        ) from error
    # The help may wrap lines inside this sentence.
    match = _VERSION.search(" ".join(" ".join(lines).split()))
    if match is None:
        raise ToolError(
            f"sen2cor: {command!r} --help does not report its version (exit status "
            f"{status}); expected sen2cor {expected}. Check sen2cor.command"
        )
    found = _parts(match[1])
    wanted = _parts(expected)
    version = ".".join(map(str, found))
    if found[: len(wanted)] != wanted:
        raise ToolError(
            f"sen2cor: expected version {expected}, found {version} at {command!r}. Install the "
            "expected one, or set sen2cor.version: every tile is then processed again"
        )
    return version


def environment(threads: int = 1) -> dict[str, str]:
    """The environment for sen2cor: without what is meant for our Python and not for its own."""
    # Nor are the credentials of the download any business of it, nor settings of GDAL and PROJ,
    # of which it brings its own.
    kept = {
        name: value
        for name, value in without_library_settings(os.environ).items()
        if not name.startswith(("PYTHON", "CDSE_"))
    }
    # Unbuffered, or its progress would show in blocks of hours.
    return {**kept, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step from the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--command", required=True, help="L2A_Process or its path")
    parser.add_argument("--version", required=True, help="expected version, such as 2.11")
    parser.add_argument("--out", type=Path, required=True, help="JSON with the version")
    args = parser.parse_args(argv)
    version = check_version(args.command, args.version)
    write_json(args.out, {"sen2cor": version})
    log.info("sen2cor %s", version)


if __name__ == "__main__":
    cli.run(main)
