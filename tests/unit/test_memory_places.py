"""One build at a time, in folders of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reben.memory import lock as locks
from reben.memory.ownership import check_place, take_possession
from reben.runtime.errors import ConfigError, OwnershipError

# Locks.

HOLD = (
    "import sys, time; from reben.memory.lock import lock; lock(sys.argv[1]);"
    " print('locked', flush=True); sys.stdin.read()"
)


def test_one_build_at_a_time_and_the_message_says_who(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": "workflow"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": env, "text": True}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout and first.stdout.readline() == "locked\n"
        refused = subprocess.run(command, capture_output=True, env=env, text=True, input="")
        assert refused.returncode != 0
        assert f"process {first.pid} on " in refused.stderr
        assert "has ended" not in refused.stderr
        first.communicate("")
    assert not list(tmp_path.rglob(".lock*")), "released by its end"
    with subprocess.Popen(command, **pipes) as second:
        assert second.stdout and second.stdout.readline() == "locked\n"
        second.kill()
    refused = subprocess.run(command, capture_output=True, env=env, text=True, input="")
    assert "That process has ended" in refused.stderr
    assert "--unlock" in refused.stderr
    locks.unlock(tmp_path)
    assert subprocess.run(command, env=env, input="", text=True).returncode == 0


# Ownership.


@pytest.mark.parametrize("results", ["/", ".", "..", "~", "here", "clone"])
def test_results_must_have_a_folder_of_their_own(
    results: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "clone/inside"
    home.mkdir(parents=True)
    (tmp_path / "here").symlink_to(tmp_path)
    place = str(Path(results).expanduser())
    with pytest.raises(ConfigError, match=f"results is '{re.escape(place)}'; expected a folder"):
        check_place(place, {}, home)


@pytest.mark.parametrize("place", ["data/corine/clc.gpkg", "data/x.tsv", "link/clc.gpkg"])
def test_an_input_in_the_results_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/corine").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data/corine")
    with pytest.raises(ConfigError, match=r"corine\.path is .* expected inputs apart"):
        check_place("data", {"corine.path": place}, tmp_path / "clone")


def test_results_in_an_input_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sentinel1\.root is"):
        check_place(f"{tmp_path}/results", {"sentinel1.root": str(tmp_path)}, Path("clone"))


def test_a_folder_that_no_build_made_is_refused_and_ours_is_not(tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(OwnershipError, match="archives was not made by this workflow") as caught:
        take_possession(str(tmp_path), ["tables", "archives"])
    assert not (tmp_path / ".reben").exists(), "nothing was written"
    (tmp_path / "archives").rename(tmp_path / "mine")
    take_possession(str(tmp_path), ["tables", "archives"])
    (tmp_path / "archives").mkdir()
    take_possession(str(tmp_path), ["tables", "archives", "report"])
    assert (tmp_path / ".reben/.folders").read_text().split() == ["tables", "archives", "report"]
    # The way that the message shows takes a build of an earlier version over.
    old = tmp_path / "old"
    (old / "tables").mkdir(parents=True)
    command = str(caught.value).split("\n")[1].replace(str(tmp_path), str(old))
    subprocess.run(["bash", "-c", command], check=True)
    take_possession(str(old), ["tables", "archives"])
