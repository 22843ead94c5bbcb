"""One cluster, one set of inputs and one local build for all tests of this folder."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, running_slurm
from tests.cluster.workspace import Workspace, run, write_inputs

#: What a test does not wait for: a real cluster is asked less often.
QUICK = (
    "--jobs=8",
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=3",
    "--seconds-between-status-checks=1",
    "--latency-wait=5",
)

NewWorkspace = Callable[..., Workspace]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    with (
        tempfile.TemporaryDirectory(prefix="reben-slurm-") as folder,
        running_slurm(Path(folder)) as cluster,
    ):
        # The steps run in this environment, on "nodes" too.
        yield cluster


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def local_digests(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a local build of everything makes."""
    workspace = Workspace(tmp_path_factory.mktemp("local") / "whole", inputs, whole=True)
    built = run(workspace.command("local"), workspace.folder)
    assert built.returncode == 0, built.stdout
    return workspace.digests()
