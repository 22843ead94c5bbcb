"""Outputs are complete or absent."""

import bz2
import os
import signal
import subprocess
import sys

import pytest

from reben.runtime.errors import OwnershipError, TableError
from reben.runtime.files import atomic_directory, atomic_file, read_bytes, read_json, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(ValueError, match="stop"), atomic_file(path) as part:
        part.write_text("half")
        raise ValueError("stop")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "old"


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    with atomic_directory(tmp_path / "x") as part:
        (part / "a").write_text("old")
    again = atomic_directory(tmp_path / "x", replaces=["a"])
    with pytest.raises(ValueError, match="stop"), again as part:
        (part / "b").write_text("half")
        raise ValueError("stop")
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["a"]
    with atomic_directory(tmp_path / "x", replaces=["a"]) as part:
        (part / "c").write_text("new")
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["c"]
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_is_replaced_is_gone_at_once(tmp_path, monkeypatch):
    """If the old folder were removed in place, a job killed then would leave half of it."""
    old = tmp_path / "x"
    old.mkdir()
    (old / "a").write_text("old")
    seen = []
    monkeypatch.setattr("shutil.rmtree", lambda path, **_: seen.append((path.name, old.exists())))
    with atomic_directory(old, replaces=["a"]) as part:
        (part / "b").write_text("new")
    assert [p.name for p in old.iterdir()] == ["b"]
    assert "x" not in [name for name, _ in seen]


def test_a_link_to_a_folder_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_text("old")
    (tmp_path / "x").symlink_to("elsewhere")
    with atomic_directory(tmp_path / "x", replaces=["a"]) as part:
        (part / "b").write_text("new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "x"]
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["b"]
    assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["a"]


@pytest.mark.parametrize("name", [".", "x", "thesis.txt"])
def test_what_is_not_ours_is_not_replaced(tmp_path, monkeypatch, name):
    (tmp_path / "thesis.txt").write_text("four years")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/notes").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(OwnershipError, match=r"expected a new folder .* Name another folder"),
        atomic_directory(name, replaces=["data"]),
    ):
        raise AssertionError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes", "thesis.txt", "x"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append((os.fstat(fd).st_size, path.exists()))
    )
    path = tmp_path / "x"
    with atomic_file(path) as part:
        part.write_text("whole")
    assert synced == [(5, False)]


def test_what_is_no_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(TableError, match=r"a\.json: expected JSON, .*remove the file"):
        read_json(tmp_path / "a.json")


def test_a_killed_job_leaves_no_target_and_the_next_try_cleans_up(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from reben.runtime.files import atomic_directory\n"
        "with atomic_directory(sys.argv[1]) as part:\n"
        "    (part / 'half').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "PYTHONPATH": "workflow"}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "x").exists()
    with atomic_directory(tmp_path / "x") as part:
        assert list(part.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_json_is_sorted_and_round_trips(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "ä"})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": "ä",\n  "b": 1\n}\n'
    assert read_json(tmp_path / "a.json") == {"a": "ä", "b": 1}


def test_bz2_is_unpacked_by_its_name(tmp_path):
    (tmp_path / "a.bz2").write_bytes(bz2.compress(b"text"))
    assert read_bytes(tmp_path / "a.bz2") == b"text"
