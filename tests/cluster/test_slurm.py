"""The whole workflow on a real Slurm, through the profile that users get."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.slurm import MARK, Slurm, SlurmError, refuse_real_slurm
from tests.cluster.workspace import QUICK, TILES, Workspace

#: Not of one tile, but worth a job: they read large inputs or write the whole dataset.
LARGE = {("clip_corine", ""), ("index_sentinel1", ""), ("build_lmdb", "")}


def test_every_tile_job_runs_on_slurm(
    slurm: Slurm, inputs: Path, local: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    first = slurm.last_job() + 1
    workspace = Workspace(tmp_path / "w", inputs, whole=True)
    arrays = "--slurm-array-jobs=encode_sentinel1"  # ready together; the others run one by one
    built = workspace.build("slurm", *QUICK, arrays, env=slurm.environment)
    assert built.returncode == 0, built.stdout
    ran = {(job.rule, job.tile) for job in slurm.jobs(first)}
    # Every job of a tile has its log at logs/<rule>/<tile>.log.
    logs = (workspace.results / "logs").glob("*/*.log")
    tile_jobs = {(path.parent.name, path.stem) for path in logs}
    assert {tile for _, tile in tile_jobs} == set(TILES)
    assert len(tile_jobs) >= 7 * len(TILES)
    assert ran == tile_jobs | LARGE
    assert {job.state for job in slurm.jobs(first)} == {"COMPLETED"}
    assert workspace.digests() == local(whole=True)


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
