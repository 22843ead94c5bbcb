"""Processes that end together, however the first one ends.

Otherwise a step would continue when Snakemake is killed, and its child processes when the
step is: orphaned, for hours, writing to the same paths as the next try.
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
    """Run a program to its end and pass on each line that it prints, as it arrives.

    Args:
        arguments: the program and its arguments.
        environment: its environment variables.
        limit_s: time after which it is killed, seconds.
        take_line: called with every line of its output and errors, without line ending.

    Returns:
        The exit status; negative if a signal ended it.

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
        raise TimeoutError(f"still running after {limit_s:g} s")
    return status


@contextmanager
def _leash() -> Iterator[int]:
    """A process group that is killed when this process ends, even if it is killed itself.

    The group's leader waits for its standard input to close. Only this process has the other
    end, so the kernel closes it.

    Yields:
        The group's id.
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", "read -r end; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0
    ) as leader:
        yield leader.pid


def identity(pid: int) -> str:
    """A process as `end_with` takes it: its number, when it started, and where numbers count."""
    return f"{pid}:{birth(pid)}:{_namespace()}"


def _namespace() -> str:
    """The space of process numbers that this process is in; a container may have its own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def end_with(leader: str) -> None:
    """End this process with SIGTERM, like a scheduler, when another has ended.

    If it has ended already, this process ends at once. A process of another namespace cannot be
    seen, and this one goes on.

    Args:
        leader: the `identity` of the other process.
    """
    number, born, namespace = leader.split(":", 2)
    pid = int(number)
    if not namespace or namespace != _namespace():
        return

    def watch() -> None:
        while birth(pid) == born:
            time.sleep(_WATCH_S)
        os.kill(os.getpid(), signal.SIGTERM)

    if birth(pid) != born:
        watch()
    threading.Thread(target=watch, daemon=True).start()


def birth(pid: int) -> str | None:
    """The start time of a process; None if it has ended, even if it is still a zombie."""
    try:
        # After the name, which may contain anything: state, …, start time (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
