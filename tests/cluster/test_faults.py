"""What clusters do to jobs: in the end the results are those of an undisturbed local build.

No code of ours knows about these tests: limits come from the command line, as a site would
set them, and processes get real signals. Each test checks what the user gets to read, too.
"""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm
from tests.cluster.workspace import QUICK, TILES, Workspace, wait_for, wait_for_step

Local = Callable[..., dict[str, str]]


def test_limits_and_signals(slurm: Slurm, inputs: Path, local: Local, tmp_path: Path) -> None:
    """A job over its memory, one over its time and a killed one are run again, with more."""
    first = slurm.last_job() + 1
    workspace = Workspace(tmp_path / "w", inputs, whole=False)
    tight = [
        # Snakemake alone takes 260 MB on a node.
        "--set-resources",
        "check_quality:mem_mb=150 if attempt == 1 else 1000 * attempt",
        "make_patches:runtime=attempt",
    ]
    slow, killed = TILES
    with workspace.building("slurm", *QUICK, *tight, env=slurm.environment) as build:
        # It hangs, as on a file system that does not answer, until its minute is over.
        stopped = wait_for_step("patches", workspace, slow)
        os.kill(stopped, signal.SIGSTOP)
        os.kill(wait_for_step("reference_maps", workspace, killed), signal.SIGKILL)
        said = build.wait()
    jobs = slurm.jobs(first)

    def fate(rule: str, tile: str) -> list[tuple[str, int]]:
        return [(job.state, job.mem_mb) for job in jobs if (job.rule, job.tile) == (rule, tile)]

    for tile in TILES:
        assert fate("check_quality", tile) == [("FAILED", 150), ("COMPLETED", 2000)]
    assert [state for state, _ in fate("make_patches", slow)] == ["TIMEOUT", "COMPLETED"]
    assert fate("make_patches", killed) == [("COMPLETED", 2000)]
    assert fate("make_reference_maps", killed)[0][0] == "FAILED"
    assert fate("make_reference_maps", killed)[1][0] == "COMPLETED"
    assert (
        fate("make_reference_maps", killed)[1][1] == 2 * fate("make_reference_maps", killed)[0][1]
    )
    assert workspace.digests() == local(whole=False)

    assert "exceeded memory limit" in node_log(said, "check_quality", slow)
    assert "SLURM status is: 'TIMEOUT'" in said
    assert "DUE TO TIME LIMIT" in node_log(said, "make_patches", slow)
    assert "Killed" in node_log(said, "make_reference_maps", killed)


def test_snakemake_is_killed(slurm: Slurm, inputs: Path, local: Local, tmp_path: Path) -> None:
    """After kill -9 of Snakemake two commands, then the same one as before."""
    first = slurm.last_job() + 1
    workspace = Workspace(tmp_path / "w", inputs, whole=False, tiles=1)
    with workspace.building("slurm", *QUICK, env=slurm.environment) as build:
        os.kill(wait_for_step("patches", workspace), signal.SIGSTOP)  # it will be running
        os.kill(build.process.pid, signal.SIGKILL)
        build.process.wait()
        run_id = re.search(r"SLURM run ID: (\S+)", build.log.read_text())
    assert run_id
    running = [job for job in slurm.jobs(first) if job.state == "RUNNING"]
    assert {job.name for job in running} == {run_id[1]}

    refused = workspace.build("slurm", *QUICK, env=slurm.environment)
    assert refused.returncode != 0
    assert "--unlock" in refused.stdout

    slurm.command("scancel", "--name", run_id[1])
    assert workspace.build("slurm", "--unlock", env=slurm.environment).returncode == 0
    wait_for(lambda: not slurm.command("squeue", "-h").strip())
    again = workspace.build("slurm", *QUICK, env=slurm.environment)
    assert again.returncode == 0, again.stdout
    assert workspace.digests() == local(whole=False, tiles=1)


def test_read_only_then_full_disk(slurm: Slurm, inputs: Path, local: Local, tmp_path: Path) -> None:
    """Both stop the build and say why; put right, the same command ends it."""
    workspace = Workspace(tmp_path / "w", inputs, whole=False, tiles=1)
    impatient = (*QUICK, "--retries=0")
    with small_disk(workspace.results, kilobytes=600) as remount:
        remount("ro")
        said = workspace.build("slurm", *impatient, env=slurm.environment)
        assert said.returncode != 0
        assert "Read-only file system" in said.stdout
        assert "results" in said.stdout
        remount("rw")

        said = workspace.build("slurm", *impatient, env=slurm.environment)
        assert said.returncode != 0
        assert re.search(r"error: No space left on device: \S+.*free some space", said.stdout)
        assert not list(workspace.results.rglob(".part-*")), "something half-written was kept"

        remount("size=100m")
        again = workspace.build("slurm", *QUICK, env=slurm.environment)
        assert again.returncode == 0, again.stdout
        assert workspace.digests() == local(whole=False, tiles=1)


def node_log(said: str, rule: str, tile: str) -> str:
    """The logs on the node of a job's failures, whose paths its messages name."""
    paths = re.findall(rf"\S+/slurm_logs/rule_{rule}/{tile}/\d+\.log", said)
    assert paths, said
    return "\n".join(Path(path).read_text() for path in paths if Path(path).exists())


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[str], object]]:
    """Mount a small file system at `folder`; yields a function that changes its options."""
    folder.mkdir()

    def mount(*words: str) -> object:
        return subprocess.run(["mount", *words, str(folder)], check=True, capture_output=True)

    try:
        mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "reben-small-disk")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine does not let us mount a small disk: {error.stderr.decode()}")
    try:
        yield lambda options: mount("-o", f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
