"""The tests' cluster never touches a machine that has a Slurm of its own."""

from pathlib import Path

import pytest

from tests.cluster.slurm import MARK, SlurmError, refuse_real_slurm


def test_a_real_slurm_is_refused(tmp_path: Path) -> None:
    conf = tmp_path / "slurm.conf"
    conf.write_text("ClusterName=real\n")
    with pytest.raises(SlurmError, match=r"slurm\.conf: this machine has a Slurm of its own"):
        refuse_real_slurm(conf)
    assert conf.read_text() == "ClusterName=real\n"


def test_a_link_to_a_real_slurm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared.conf").write_text("ClusterName=real\n")
    conf = tmp_path / "slurm.conf"
    conf.symlink_to(tmp_path / "shared.conf")
    with pytest.raises(SlurmError, match="this machine has a Slurm of its own"):
        refuse_real_slurm(conf)
    assert conf.is_symlink()


def test_two_runs_at_a_time_are_refused(tmp_path: Path) -> None:
    (tmp_path / "reben-slurm-x").write_text(MARK)
    conf = tmp_path / "slurm.conf"
    conf.symlink_to(tmp_path / "reben-slurm-x")
    with pytest.raises(SlurmError, match="another run of these tests is going on"):
        refuse_real_slurm(conf)


def test_the_link_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    conf = tmp_path / "slurm.conf"
    conf.symlink_to(tmp_path / "reben-slurm-gone/slurm.conf")
    refuse_real_slurm(conf)
    assert not conf.is_symlink()
