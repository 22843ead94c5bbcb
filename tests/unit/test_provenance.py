"""What a manifest may show, and what it knows of the project."""

import subprocess
from pathlib import Path

import pytest

from reben.audit import provenance
from reben.runtime.code_version import code_version


def test_no_secret_and_no_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"path": f"{tmp_path}/a.gpkg", "list": ["https://me:secret@host/x", 3, None]}
    assert provenance.public(config) == {"path": "a.gpkg", "list": ["https://host/x", 3, None]}


def test_git_state_knows_commit_and_dirt(tmp_path: Path) -> None:
    assert provenance.git_state(tmp_path) == {"commit": None, "clean": None}

    def git(*args: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *args]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "a").write_text("a")
    git("add", "a")
    git("commit", "-qm", "a")
    assert provenance.git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "clean": True}
    (tmp_path / "mine.yaml").write_text("results: mine")
    assert provenance.git_state(tmp_path)["clean"] is True, "a config is no change of the code"
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/reben.py").touch()
    assert provenance.git_state(tmp_path / "installed") == {"commit": None, "clean": None}
    (tmp_path / "a").write_text("b")
    assert provenance.git_state(tmp_path)["clean"] is False


def test_the_code_of_every_step_is_named() -> None:
    steps = provenance.code()["steps"]
    assert {"quality", "patches", "labels", "build_lmdb", "audit"} <= set(steps)
    assert steps["labels"] == code_version("labels")
