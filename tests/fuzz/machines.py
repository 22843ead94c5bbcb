"""Where the builds of a fuzzed sequence run: on this machine, or on the Slurm of the tests."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.slurm import Slurm, running_slurm
from tests.cluster.workspace import SITE
from tests.forkserver import served
from tests.workflow.builds import PROJECT, Project

_KEEP_ON = ("--keep-going", "--rerun-incomplete")


class Machine:
    """This machine.

    Attributes:
        environment: variables of Snakemake.
        patience_s: the time within which a kill comes, from and to.
    """

    patience_s = (2.0, 9.0)

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def command(self, build: Project) -> list[str]:
        """The command line of a build."""
        return [*build.command(2), *_KEEP_ON]

    def run(self, build: Project, *options: str) -> int:
        """Build; the exit status."""
        return subprocess.run(
            [*self.command(build), *options], cwd=build.root, env=self.environment,
            capture_output=True,
        ).returncode  # fmt: skip

    def start(self, build: Project, *options: str) -> "subprocess.Popen[bytes]":
        """Begin to build, in a process group of its own."""
        return subprocess.Popen(
            [*self.command(build), *options], cwd=build.root, env=self.environment,
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def steps(self, build: Project) -> list[int]:
        """The processes of the build's steps."""
        return list(_steps_in(build.root))

    def recover(self, build: Project) -> None:
        """After a kill: what the documentation says, and no more."""
        time.sleep(1)  # steps end together with Snakemake
        subprocess.run([*build.command(2), "--unlock"], cwd=build.root, capture_output=True)


class Cluster(Machine):
    """A Slurm, with the users' profile."""

    patience_s = (4.0, 40.0)

    def __init__(self, slurm: Slurm, environment: Mapping[str, str]) -> None:
        super().__init__({**slurm.environment, **environment})
        self.slurm = slurm

    def command(self, build: Project) -> list[str]:
        """The command line of a build."""
        build.command(2)  # writes the config
        return [
            *(sys.executable, str(PROJECT / "tests/cluster/impatient.py")),
            *("--snakefile=Snakefile", "--configfile=build.yaml", *SITE),
            "--workflow-profile=workflow/profiles/slurm",
        ]

    def recover(self, build: Project) -> None:
        """After a kill: cancel its jobs, unlock."""
        self.slurm.command("scancel", "--full", "--signal=KILL", "--state=RUNNING")
        self.slurm.command("scancel", "--state=PENDING")
        while self.slurm.command("squeue", "-h").strip():
            time.sleep(0.2)
        super().recover(build)


@contextmanager
def this_machine() -> Iterator[Machine]:
    """This machine, with steps forked from a process that has their libraries."""
    with served() as environment:
        yield Machine({**os.environ, **environment})


@contextmanager
def a_cluster() -> Iterator[Machine]:
    """The same on a Slurm that is started for it (root, Debian)."""
    with running_slurm() as slurm, served() as environment:
        yield Cluster(slurm, environment)


def _steps_in(folder: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_step = b"\0-m\0reben." in (process / "cmdline").read_bytes()
            if is_step and (process / "cwd").resolve() == folder.resolve():
                yield int(process.name)
