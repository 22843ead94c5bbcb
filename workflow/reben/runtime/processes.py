"""Processes that end together, however the first of them ends.

Without this a step would go on when Snakemake is killed, and what it has started when the
step is: for hours, in nobody's name, and writing where the next try writes.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: How often `end_with` looks, seconds.
_WATCH_S = 0.5


def run_program(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    limit_s: float,
    take_line: Callable[[str], object],
) -> int:
    """Run a program to its end and hand on every line that it prints, as it comes.

    Args:
        arguments: the program and its arguments.
        environment: all that it sees of the environment.
        limit_s: it is killed after this time, seconds.
        take_line: is called with every line of its output and errors, without line end.

    Returns:
        The exit status; negative where a signal ended it.

    Raises:
        OSError: it cannot be started.
        TimeoutError: it took longer than the limit.
    """
    expired = threading.Event()
    with _leash() as group:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=group,
            env=environment,
        )

        def stop() -> None:
            expired.set()
            os.killpg(group, signal.SIGKILL)

        timer = threading.Timer(limit_s, stop)
        timer.daemon = True
        timer.start()
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for line in process.stdout:
                take_line(line.rstrip())
            status = process.wait()
        finally:
            timer.cancel()
            os.killpg(group, signal.SIGKILL)
            process.wait()
    if expired.is_set():
        raise TimeoutError(f"no end after {limit_s:g} s")
    return status


@contextmanager
def _leash() -> Iterator[int]:
    """A process group that is killed when this process ends, be it by a kill.

    The group's leader waits for its standard input to end. Only this process holds the
    other end, so the kernel sees to it.

    Yields:
        The group's id.
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", "read -r end; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0
    ) as leader:
        yield leader.pid


def end_with(pid: int) -> None:
    """Have this process ended as by a scheduler (SIGTERM) when process `pid` has ended."""
    born = birth(pid)

    def watch() -> None:
        while birth(pid) == born:
            time.sleep(_WATCH_S)
        os.kill(os.getpid(), signal.SIGTERM)

    if born is not None:  # None also in a container that cannot see it
        threading.Thread(target=watch, daemon=True).start()


def birth(pid: int) -> str | None:
    """When a process was started; None where it has ended, though nobody may know yet."""
    try:
        # Behind the name, which may hold anything: state, …, start time (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
