"""The complete workflow on a real Slurm, with the users' profile and with faults.

All tests here share one build. In it, every job of check_quality is killed once by its memory
limit, one job of make_patches by its time limit, and one of make_reference_maps by a
signal. Our code has no special cases for that: limits come from the command line, as a site
would set them, and processes get real signals.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.slurm import Job, Slurm
from tests.cluster.workspace import SITE, TILES, Workspace, node_log, wait_for_step

Local = Callable[[], dict[str, str]]
SLOW, KILLED = TILES
OPTIONS = (
    *SITE,
    "--set-resources",
    # Snakemake alone takes 260 MB on a node.
    "check_quality:mem_mb=150 if attempt == 1 else 1000 * attempt",
    "make_patches:runtime=attempt",
)
#: Not for one tile, but worth a job: they read large inputs or write the complete dataset.
LARGE = {("clip_corine", ""), ("index_sentinel1", ""), ("build_lmdb", "")}


@dataclass(frozen=True)
class Outcome:
    """The result of the build: its folder, its jobs in Slurm's records, and its output."""

    workspace: Workspace
    jobs: list[Job]
    said: str

    def fate(self, rule: str, tile: str) -> list[Job]:
        return [job for job in self.jobs if (job.rule, job.tile) == (rule, tile)]


@pytest.fixture(scope="module")
def outcome(
    slurm: Slurm,
    inputs: Path,
    local: Local,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    first = slurm.last_job() + 1
    workspace = Workspace(tmp_path_factory.mktemp("slurm") / "w", inputs)
    with workspace.building("slurm", *OPTIONS, env=slurm.environment) as build:
        # It hangs, as on a file system that does not respond, until its minute is over.
        os.kill(wait_for_step("patches", workspace, SLOW), signal.SIGSTOP)
        os.kill(wait_for_step("reference_maps", workspace, KILLED), signal.SIGKILL)
        local()  # while that minute passes
        said = build.wait()
    return Outcome(workspace, slurm.jobs(first), said)


def test_every_tile_job_ran_on_slurm(outcome: Outcome) -> None:
    # Every job of a tile has its log at logs/<rule>/<tile>.log.
    logs = (outcome.workspace.results / "logs").glob("*/*.log")
    tile_jobs = {(path.parent.name, path.stem) for path in logs}
    assert {tile for _, tile in tile_jobs} == set(TILES)
    # Those over tables take seconds and run beside Snakemake.
    beside = {(rule, tile) for rule in ("label_patches", "assign_split") for tile in TILES}
    assert beside < tile_jobs
    tile_jobs -= beside
    assert len(tile_jobs) == 7 * len(TILES)
    assert {(job.rule, job.tile) for job in outcome.jobs} == tile_jobs | LARGE
    for rule, tile in tile_jobs | LARGE:
        assert outcome.fate(rule, tile)[-1].state == "COMPLETED", (rule, tile)


def test_results_are_those_of_a_local_build(outcome: Outcome, local: Local) -> None:
    assert outcome.workspace.digests() == local()


def test_job_over_its_memory_gets_more(outcome: Outcome) -> None:
    for tile in TILES:
        jobs = outcome.fate("check_quality", tile)
        assert [(job.state, job.mem_mb) for job in jobs] == [("FAILED", 150), ("COMPLETED", 2000)]
    assert "exceeded memory limit" in node_log(outcome.said, "check_quality", SLOW)


def test_job_over_its_time_gets_more(outcome: Outcome) -> None:
    jobs = outcome.fate("make_patches", SLOW)
    found = [(job.state, job.limit_min) for job in jobs]
    assert found == [("TIMEOUT", 1), ("COMPLETED", 2)]
    assert "SLURM status is: 'TIMEOUT'" in outcome.said
    assert "DUE TO TIME LIMIT" in node_log(outcome.said, "make_patches", SLOW)


def test_killed_job_is_run_again(outcome: Outcome) -> None:
    jobs = outcome.fate("make_reference_maps", KILLED)
    assert [job.state for job in jobs] == ["FAILED", "COMPLETED"]
    assert jobs[1].mem_mb == 2 * jobs[0].mem_mb
    assert "Killed" in node_log(outcome.said, "make_reference_maps", KILLED)


def test_array_jobs(slurm: Slurm, inputs: Path, local: Local, tmp_path: Path) -> None:
    first = slurm.last_job() + 1
    workspace = Workspace(tmp_path / "w", inputs)
    targets = [f"results/quality/{tile}.json" for tile in TILES]
    arrays = "--slurm-array-jobs=check_quality"
    built = workspace.build("slurm", *SITE, arrays, "--", *targets, env=slurm.environment)
    assert built.returncode == 0, built.stdout
    found = [(job.rule, job.state, job.array) for job in slurm.jobs(first)]
    assert found == [("check_quality", "COMPLETED", True)] * len(TILES)
    assert workspace.digests().items() <= local().items()
