"""Builds shared by the workflow tests; a test that changes one uses a copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forkserver import served
from tests.workflow.builds import TILES, Project, new_scene_build, new_small_build


@pytest.fixture(scope="session", autouse=True)
def forked_steps() -> Iterator[None]:
    """Let the steps of all builds start in milliseconds; `tests/cluster` runs them as users do."""
    with served() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished build of two tiles of 3 x 3 patches. Read only: use `.copy()`."""
    build = new_small_build(tmp_path_factory.mktemp("small") / "project")
    build.snakemake()
    return build


@pytest.fixture(scope="session")
def small_build(small_project: Project) -> Path:
    """The results of `small_project`. Read only."""
    return small_project.results


@pytest.fixture(scope="session")
def scene_project(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished build of the published scene, full size, 12 patches. Read only."""
    build = new_scene_build(tmp_path_factory.mktemp("scene") / "project", reference)
    build.snakemake()
    return build


@pytest.fixture(scope="session")
def scene_build(scene_project: Project) -> Path:
    """The results of `scene_project`. Read only."""
    return scene_project.results


@pytest.fixture(scope="session")
def audited(small_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small build with its audit. Read only."""
    build = small_project.copy(tmp_path_factory.mktemp("audited") / "project")
    jobs = build.jobs("audit")
    assert jobs == {"digest_tile": set(TILES), "audit": set()}
    return build
