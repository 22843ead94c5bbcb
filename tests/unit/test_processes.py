"""Processes that end together, and what a step says when it fails."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reben.runtime import cli, processes

STEP = """
import time
from reben.runtime import cli, processes
cli.run(lambda _: (print("up", flush=True), time.sleep(60)))
"""


SNAKEMAKE = """
import os, subprocess, sys
from reben.runtime.processes import identity
subprocess.run([sys.executable, "-c", sys.argv[1]],
               env={**os.environ, "REBEN_SNAKEMAKE": identity(os.getpid())})
"""
PACKAGES = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_a_step_ends_when_snakemake_is_killed() -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", SNAKEMAKE, STEP], env=PACKAGES, stdout=subprocess.PIPE, text=True
    )
    assert leader.stdout is not None
    assert leader.stdout.readline() == "up\n"
    leader.kill()  # and not waited for, as may happen
    started = time.monotonic()
    assert leader.stdout.read() == ""  # until the last possible writer has ended
    assert time.monotonic() - started < 10
    leader.wait()


def test_a_step_that_starts_after_snakemake_has_died_ends_at_once() -> None:
    """Between the start of its shell and its own, its parent was killed."""
    leader = subprocess.Popen(["sleep", "60"])
    identity = processes.identity(leader.pid)
    leader.kill()
    leader.wait()
    step = subprocess.run(
        [sys.executable, "-c", STEP],
        env={**PACKAGES, "REBEN_SNAKEMAKE": identity},
        capture_output=True,
        timeout=50,
    )
    assert (step.returncode, step.stdout) == (-signal.SIGTERM, b"")


def test_a_step_goes_on_in_a_container_whose_host_runs_snakemake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The numbers of its processes are others, so none of them says anything."""
    monkeypatch.setenv("REBEN_SNAKEMAKE", "999999999:1:pid:[1]")
    cli.run(lambda _: time.sleep(2 * processes._WATCH_S))


def test_a_program_ends_with_its_status_and_lines() -> None:
    lines: list[str] = []
    command = ["sh", "-c", "echo one; echo two >&2; exit 3"]
    assert processes.run_program(command, os.environ, 60, lines.append) == 3
    assert lines == ["one", "two"]


def test_what_a_program_leaves_running_is_killed() -> None:
    lines: list[str] = []
    command = ["sh", "-c", "sleep 60 > /dev/null 2>&1 & echo $!"]
    assert processes.run_program(command, os.environ, 60, lines.append) == 0
    ends = time.monotonic() + 5
    while processes.birth(int(lines[0])) is not None:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_program_over_its_limit_is_killed_with_what_it_has_started() -> None:
    with pytest.raises(TimeoutError, match=r"still running after 0\.3 s"):
        processes.run_program(["sh", "-c", "sleep 60; true"], os.environ, 0.3, print)
    with pytest.raises(FileNotFoundError):
        processes.run_program(["/nowhere"], os.environ, 1, print)


def test_a_folder_that_cannot_be_copied_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x", "y"):
        (tmp_path / "a" / name).touch()

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    def main(_: object) -> None:
        shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=full)

    with pytest.raises(SystemExit, match=r"^error: .*/b/.: 2 files could not .* No space left"):
        cli.run(main)
