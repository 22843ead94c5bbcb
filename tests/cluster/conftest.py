"""One cluster, one set of inputs and their local builds for all tests in this folder."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, running_slurm
from tests.cluster.workspace import Workspace, write_inputs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    with running_slurm() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def local(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, str]]:
    """A function that returns the digests of a local build, which is built once."""

    @cache
    def digests() -> dict[str, str]:
        workspace = Workspace(tmp_path_factory.mktemp("local") / "w", inputs)
        built = workspace.build("default")
        assert built.returncode == 0, built.stdout
        return workspace.digests()

    return digests
