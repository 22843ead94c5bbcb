"""External programs that end with the process that started them, however it ends.

A script starts other programs, and those go on, for hours and in nobody's name, when the
script or the job around it is killed.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager


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
