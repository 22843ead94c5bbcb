"""A lock in the results folder: one build at a time, from whichever clone or machine.

Snakemake's own lock lies in ``.snakemake`` of the folder that it runs in, so that it cannot see
a second clone. The lock names host, process and time. It is broken on demand alone
(``snakemake --unlock``): jobs of a cluster may go on after the Snakemake that submitted them.
"""

import atexit
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from reben.memory.record import MEMORY
from reben.runtime.errors import OwnershipError
from reben.runtime.processes import birth


def _path(results: str | Path) -> Path:
    return Path(results, MEMORY, ".lock")


def lock(results: str | Path) -> None:
    """Lock the results for this process, until it ends.

    Raises:
        OwnershipError: another process has locked them.
    """
    path = _path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    holder = {
        "host": socket.gethostname(),
        "process": pid,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "birth": birth(pid),
    }
    # Linked when it is written, so that nobody sees half of it; a link is atomic on NFS too.
    draft = path.with_name(f".lock-{holder['host']}-{pid}")
    draft.write_text(json.dumps(holder), encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        raise OwnershipError(_refusal(path)) from None
    finally:
        draft.unlink()
    atexit.register(_release, path, pid)


def unlock(results: str | Path) -> None:
    """Break the lock, whoever holds it."""
    _path(results).unlink(missing_ok=True)


def _release(path: Path, pid: int) -> None:
    if os.getpid() != pid:  # a process forked from the one that holds it
        return
    with suppress(OSError, ValueError):
        holder = json.loads(path.read_text(encoding="utf-8"))
        if (holder["process"], holder["host"]) == (pid, socket.gethostname()):
            path.unlink()


def _refusal(path: Path) -> str:
    where = path.parents[1]
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        who = f"process {holder['process']} on {holder['host']}, since {holder['since']}"
        here = holder["host"] == socket.gethostname()
        gone = here and birth(holder["process"]) != holder["birth"]
    except (OSError, ValueError, KeyError):
        who, gone = "a process that left no name", False
    ended = "That process has ended. " if gone else ""
    return (
        f"{where}: another build is writing to this folder: {who}. {ended}"
        "If neither it nor any of its cluster jobs is running, give the same command with "
        "--unlock, then again without"
    )
