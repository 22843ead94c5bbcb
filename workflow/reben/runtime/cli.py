"""Shared command-line code of all steps: arguments, logging, exit status."""

import argparse
import errno
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date

from reben.memory.recording import recorded
from reben.runtime.errors import RebenError
from reben.runtime.processes import end_with

Main = Callable[[Sequence[str] | None], None]


#: What a person typed to run this, such as ``reben show``; empty for ``python -m reben.show``.
_program = ""


def parser(
    doc: str | None, *, example: str = "", failure: str = "an error"
) -> argparse.ArgumentParser:
    """A parser whose description is the first line of a module's docstring.

    Args:
        doc: the docstring.
        example: what may follow the name of the command.
        failure: what exit status 1 means.
    """
    summary = (doc or "").strip().partition("\n")[0]
    spec = sys.modules["__main__"].__spec__
    prog = f"python -m {spec.name.removesuffix('.__main__')}" if spec else None
    prog = _program or prog
    epilog = f"exit status: 0 done, 1 {failure}, 2 wrong arguments, 130 interrupted"
    if example:
        epilog = f"example:\n  {prog} {example}\n\n{epilog}"
    return argparse.ArgumentParser(
        prog,
        description=summary,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def count(text: str) -> int:
    """Parse an argument as a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Parse an argument as a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, found {text!r}")
    return int(text)


def positive(text: str) -> float:
    """Parse an argument as a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


def day(text: str) -> date:
    """Parse an argument as a day."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected a day such as 2018-06-01, found {text!r} ({error})"
        ) from error


def share(text: str) -> float:
    """Parse an argument as a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return value


def run(main: Main, argv: Sequence[str] | None = None, program: str = "") -> None:
    """Run a step and exit: 0 on success, 1 on an expected error, 130 on Ctrl-C.

    Args:
        main: of the step.
        argv: its arguments, or those of this process.
        program: what was typed to run it, where it is not ``python -m``.

    Logs go to stderr in UTC. A `RebenError`, or an `OSError` that says what is wrong
    with the machine, becomes one line that starts with ``error:``; everything else
    is a bug and keeps its traceback. If REBEN_SNAKEMAKE is the `identity` of the process that runs
    the workflow, the step ends with it, so that it cannot interfere with its next try. Options
    ``--record …`` are for `reben.memory.recording`, which records what the step was made from.
    """
    global _program
    _program = program
    if leader := os.environ.get("REBEN_SNAKEMAKE"):
        end_with(leader)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
        force=True,
    )
    logging.Formatter.converter = time.gmtime
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        with recorded(sys.argv[1:] if argv is None else argv) as arguments:
            main(arguments)
    except RebenError as error:
        sys.exit(f"error: {error}")
    except shutil.Error as error:
        # From copying a folder: every file that could not be copied, with its reason.
        _, target, reason = error.args[0][0]
        sys.exit(f"error: {target}: {len(error.args[0])} files could not be copied: {reason}")
    except OSError as error:
        if error.errno not in _MACHINE_ERRORS:
            raise
        sys.exit(
            f"error: {error.strerror}: {error.filename or 'output'}. {_MACHINE_ERRORS[error.errno]}"
        )
    except KeyboardInterrupt:
        sys.exit(130)


#: Log only warnings of these libraries; HTTP clients may log requests with credentials.
_CHATTY = (
    *("rasterio", "pyogrio", "matplotlib", "httpx", "httpcore"),
    *("boto3", "botocore", "s3transfer", "urllib3"),
)
_MACHINE_ERRORS = {
    errno.ENOSPC: "The disk is full: free some space and run the same command again; "
    "no partial output was kept.",
    errno.EDQUOT: "The quota is used up: free some space and run the same command again; "
    "no partial output was kept.",
    errno.EROFS: "The file system is read-only: choose another `results` folder.",
    errno.EACCES: "Permission denied: check the folder's owner and mode.",
    errno.EISDIR: "A file is expected there: check the path.",
    errno.ENOTDIR: "A folder is expected in this path, and a file is there: check the path.",
    errno.ENAMETOOLONG: "The system does not take names of this length: choose a shorter one.",
    errno.ENOENT: "The file does not exist: check the path in the config or product table.",
}
