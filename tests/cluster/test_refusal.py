"""The tests' cluster never touches a machine that has its own Slurm."""

import fcntl
import shutil
from pathlib import Path

import pytest

from tests.cluster.slurm import PREFIX, SlurmError, refuse_real_slurm


def test_a_real_slurm_is_refused(tmp_path: Path) -> None:
    conf = tmp_path / "slurm.conf"
    conf.write_text("ClusterName=real\n")
    with pytest.raises(SlurmError, match=r"slurm\.conf: this machine has its own Slurm"):
        refuse_real_slurm(conf)
    assert conf.read_text() == "ClusterName=real\n"


def test_a_link_to_a_real_slurm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared.conf").write_text("ClusterName=real\n")
    conf = tmp_path / "slurm.conf"
    conf.symlink_to(tmp_path / "shared.conf")
    with pytest.raises(SlurmError, match="this machine has its own Slurm"):
        refuse_real_slurm(conf)
    assert conf.is_symlink()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """As made by a run of these tests."""
    folder = tmp_path / f"{PREFIX}x"
    folder.mkdir()
    (folder / "slurm.conf").touch()
    link = tmp_path / "slurm.conf"
    link.symlink_to(folder / "slurm.conf")
    return link


def test_two_runs_at_a_time_are_refused(link: Path) -> None:
    with link.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SlurmError, match="another run of these tests is in progress"):
            refuse_real_slurm(link)
    assert link.is_symlink()


def test_the_link_of_a_killed_run_is_removed(link: Path) -> None:
    refuse_real_slurm(link)
    assert not link.is_symlink()


def test_so_it_is_when_its_folder_is_gone(link: Path) -> None:
    shutil.rmtree(link.readlink().parent)
    refuse_real_slurm(link)
    assert not link.is_symlink()
