"""The progress of a long program on the terminal: a line for each tenth, and never in the way."""

import os
import pty
import time

import pytest

from reben.runtime import milestones
from reben.runtime.milestones import Milestones, tell


def test_a_line_for_each_tenth(capfd: pytest.CaptureFixture[str]) -> None:
    steps = Milestones("T33UUP: sen2cor")
    for text in ("0.00", " 9.99", "10.00", "10.21", "19.99", "43.50", "41.00", "100.00", "970.0"):
        steps.take(f"Progress[%]: {text} : PID-1, L2A_Tables: x, elapsed time[s]: 1.0")
    steps.take("Progress[%]: nonsense, or 55 % of something")
    assert capfd.readouterr().out.splitlines() == [
        "T33UUP: sen2cor 10 %",
        "T33UUP: sen2cor 40 %",
        "T33UUP: sen2cor 100 %",
    ]


def test_on_a_terminal_a_line_takes_the_place_of_a_progress_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(milestones, "_STDOUT", theirs)
    tell("40 %")
    assert os.read(ours, 100) == b"\r\x1b[K40 %\r\n"
    os.close(theirs)
    os.close(ours)


def test_a_reader_that_does_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(theirs, b"x" * 65536)
    os.set_blocking(theirs, True)
    monkeypatch.setattr(milestones, "_STDOUT", theirs)
    started = time.monotonic()
    tell("40 %")
    assert time.monotonic() - started < 5
    os.close(ours)
    tell("a pipe that nobody reads")
    os.close(theirs)
    tell("a closed output")
