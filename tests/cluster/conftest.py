"""One cluster, one set of inputs and their local builds for all tests of this folder."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, running_slurm
from tests.cluster.workspace import Workspace, write_inputs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="session", autouse=True)
def activate() -> Iterator[None]:
    """Rules run the `python` of PATH, here and on the nodes: let it be this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)  # noqa: PTH120
        yield


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    with (
        tempfile.TemporaryDirectory(prefix="reben-slurm-") as folder,
        running_slurm(Path(folder)) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def local(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """The digests of what a local build makes, by the options of its workspace."""
    known: dict[str, dict[str, str]] = {}

    def digests(**kind: object) -> dict[str, str]:
        name = str(sorted(kind.items()))
        if name not in known:
            workspace = Workspace(tmp_path_factory.mktemp("local") / "build", inputs, **kind)
            built = workspace.build("local")
            assert built.returncode == 0, built.stdout
            known[name] = workspace.digests()
        return known[name]

    return digests
