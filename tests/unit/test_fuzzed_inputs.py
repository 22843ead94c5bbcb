"""A few damaged inputs of every kind; `make fuzz` tries many."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reben.runtime.errors import RebenError
from tests.fuzz.inputs import play
from tests.fuzz.kinds import KINDS, Kind

ROOT = Path(__file__).parents[2]


def test_damaged_inputs_are_read_or_named() -> None:
    """In a process of its own, which none of them may end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.inputs", "0", "15"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-1000:])
    ends = dict(line.split(": ") for line in done.stdout.splitlines())
    assert list(ends) == list(KINDS)
    assert all(" 0 read" not in end and " 0 refused" not in end for end in ends.values()), ends


def silent(_: Path) -> None:
    raise RebenError("something is damaged")


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda folder: {}["x"], "KeyError: 'x'"),
        (silent, "names no file: something is damaged"),
        (lambda folder: (folder / "x").read_bytes(), "other content than a checksum vouches for"),
    ],
)
def test_the_fuzzer_sees_what_is_wrong(
    tmp_path: Path, read: Callable[[Path], object], what: str
) -> None:
    (tmp_path / "x").write_bytes(b"sound")
    kind = Kind(make=lambda folder: [], read=read, damage=lambda data, rng: b"damaged")
    with pytest.raises(AssertionError, match=what):
        play(kind, tmp_path, [tmp_path / "x"], b"sound", seed=0)
