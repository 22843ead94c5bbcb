"""Outputs are whole or not there."""

import bz2
import errno
import os
import signal
import subprocess
import sys

import pytest

from reben import cli
from reben.errors import ConfigError
from reben.files import atomic_directory, atomic_file, read_bytes, read_json, write_json


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
    with pytest.raises(ValueError, match="stop"), atomic_directory(tmp_path / "x") as part:
        (part / "b").write_text("half")
        raise ValueError("stop")
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["a"]
    with atomic_directory(tmp_path / "x") as part:
        (part / "c").write_text("new")
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["c"]
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_killed_job_leaves_no_target_and_the_next_try_cleans_up(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from reben.files import atomic_directory\n"
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


def test_errors_of_ours_are_one_line_and_exit_1(capsys):
    def main(argv):
        raise ConfigError("x.yaml: expected a, found b")

    with pytest.raises(SystemExit) as end:
        cli.run(main, [])
    assert end.value.code == "error: x.yaml: expected a, found b"


def test_a_full_disk_is_one_line_that_says_what_to_do():
    def main(argv):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/file.tif")

    with pytest.raises(SystemExit) as end:
        cli.run(main, [])
    assert "No space left on device: out/file.tif. The disk is full: free some space" in str(
        end.value.code
    )


def test_a_bug_keeps_its_traceback():
    def main(argv):
        raise KeyError("bug")

    with pytest.raises(KeyError):
        cli.run(main, [])
