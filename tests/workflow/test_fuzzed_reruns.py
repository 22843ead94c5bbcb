"""A few random sequences of edits, kills and runs; `make fuzz` plays many."""

from pathlib import Path

import pytest

from tests.fuzz.reruns import finished, play
from tests.workflow.builds import Project


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished build that sequences copy."""
    return finished(tmp_path_factory.mktemp("fuzz") / "base")


@pytest.mark.parametrize("seed", range(3))
def test_a_sequence_ends_as_a_build_from_scratch(seed: int, base: Project, tmp_path: Path) -> None:
    play(seed, base, tmp_path)
