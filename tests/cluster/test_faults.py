"""Faults that end a build: the documented recovery gives the same result as a local build."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reben.domain.names import ProductName
from tests.cluster.slurm import Slurm
from tests.cluster.workspace import ROOT, SITE, TILES, Workspace, wait_for, wait_for_step
from tests.standins import products

STANDIN = ROOT / "tests/standins/l2a_process"
Local = Callable[[], dict[str, str]]
TILE = TILES[0]


def test_snakemake_is_killed(slurm: Slurm, inputs: Path, local: Local, tmp_path: Path) -> None:
    """After kill -9 of Snakemake: two commands, then the same one as before."""
    first = slurm.last_job() + 1
    workspace = Workspace(tmp_path / "w", inputs)
    shard = [*SITE, "--", f"results/encoded/s2/{TILE}.lmdb"]
    with workspace.building("slurm", *shard, env=slurm.environment) as build:
        os.kill(wait_for_step("encode", workspace), signal.SIGSTOP)  # it will be running
        os.kill(build.process.pid, signal.SIGKILL)
        build.process.wait()
        run_id = re.search(r"SLURM run ID: (\S+)", build.log.read_text())
    assert run_id
    running = [job for job in slurm.jobs(first) if job.state == "RUNNING"]
    assert [(job.rule, job.name) for job in running] == [("encode_sentinel2", run_id[1])]

    refused = workspace.build("slurm", *shard, env=slurm.environment)
    assert refused.returncode != 0
    assert "--unlock" in refused.stdout

    slurm.command("scancel", "--name", run_id[1])
    assert workspace.build("slurm", "--unlock", env=slurm.environment).returncode == 0
    wait_for(lambda: not slurm.command("squeue", "-h").strip())
    again = workspace.build("slurm", *shard, env=slurm.environment)
    assert again.returncode == 0, again.stdout
    # Finished work is kept, incomplete work is done again.
    assert [job.rule for job in slurm.jobs(first)] == ["make_patches", *2 * ["encode_sentinel2"]]
    assert_as_local(workspace, local)


def test_read_only_then_full_disk(slurm: Slurm, inputs: Path, local: Local, tmp_path: Path) -> None:
    """Both stop the build and say why; once fixed, the same command completes it."""
    workspace = Workspace(tmp_path / "w", inputs)
    patches = [*SITE, "--retries=0", "--", f"results/patches/{TILE}"]
    with small_disk(workspace.results, kilobytes=600) as remount:
        remount("ro")
        said = workspace.build("slurm", *patches, env=slurm.environment)
        assert said.returncode != 0
        assert "Read-only file system" in said.stdout
        assert "results" in said.stdout
        remount("rw")

        said = workspace.build("slurm", *patches, env=slurm.environment)
        assert said.returncode != 0
        assert "cannot hold this build" in said.stdout, "before the first job"
        unchecked = slurm.environment | {"REBEN_DISK_CHECK": "off"}
        said = workspace.build("slurm", *patches, env=unchecked)
        assert said.returncode != 0
        assert re.search(r"error: No space left on device: \S+.*free some space", said.stdout)
        assert not list(workspace.results.rglob(".part-*")), "a partial output was kept"

        remount("size=100m")
        again = workspace.build("slurm", *patches, env=slurm.environment)
        assert again.returncode == 0, again.stdout
        assert_as_local(workspace, local)


def test_full_scratch_disk(slurm: Slurm, inputs: Path, tmp_path: Path) -> None:
    """sen2cor has no room on the node's scratch disk; with room, it succeeds."""
    products.make(tmp_path / "l1c")
    source = next((tmp_path / "l1c").iterdir())
    tile = ProductName.parse(source.name).tile
    command = tmp_path / "L2A_Process"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "$@"\n')
    command.chmod(0o755)
    table = tmp_path / "products.tsv"
    table.write_text(
        f"product\tlevel\tsource\tpath\tid\tchecksum\n{source.stem}\tL1C\tlocal\t{source}\t\t\n"
    )
    workspace = Workspace(tmp_path / "w", inputs)
    workspace.configure(products=str(table), sen2cor={"command": str(command)})
    target = f"results/l2a/{tile}.SAFE"
    built = workspace.build("default", "--", target)
    assert built.returncode == 0, built.stdout
    expected = images(workspace)
    shutil.rmtree(workspace.folder / target)

    scratch = tmp_path / "scratch"
    options = [*SITE, "--retries=0", "--default-resources", f"tmpdir='{scratch}'", "--", target]
    with small_disk(scratch, kilobytes=100) as remount:
        said = workspace.build("slurm", *options, env=slurm.environment)
        assert said.returncode != 0
        # Before hours of sen2cor, which itself does not report the disk.
        assert "GB of free disk for sen2cor, found 0.0 GB" in said.stdout
        assert not list(scratch.iterdir())
        assert not list(workspace.results.glob("l2a/*"))

        remount("size=100m")
        again = workspace.build("slurm", *options, env=slurm.environment)
        assert again.returncode == 0, again.stdout
    assert images(workspace) == expected != {}


def images(workspace: Workspace) -> dict[str, str]:
    """The digests of the images; the rest of a product contains the processing time."""
    digests = workspace.digests()
    return {path: digest for path, digest in digests.items() if path.endswith(".jp2")}


def assert_as_local(workspace: Workspace, local: Local) -> None:
    """The outputs equal those of a local build, byte for byte."""
    digests = workspace.digests()
    assert any(path.endswith(".tif") for path in digests)
    assert digests.items() <= local().items()


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
