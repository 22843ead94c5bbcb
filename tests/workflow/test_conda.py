"""Snakemake uses the conda environments: their pin files, and an image made from them.

Neither conda nor Apptainer runs here: stand-ins answer Snakemake's requests.
"""

import re
import sys
from pathlib import Path

import pytest

from reben.pin_envs import PIN
from tests.workflow.builds import Project, new_small_build

STANDINS = Path(__file__).parents[1] / "standins"
IMAGE = "docker://registry.example.org/reben:1"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file where conda's stand-in records its calls; the stand-ins are on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, standin in (("conda", "conda"), ("apptainer",) * 2, ("singularity", "apptainer")):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDINS / standin}" "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("CONDA_CALLS", str(tmp_path / "calls.txt"))
    return tmp_path / "calls.txt"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which nothing was built yet."""
    return new_small_build(tmp_path_factory.mktemp("conda") / "project")


def environments(build: Project) -> dict[str, str]:
    """The content of each environment file, by its place in `envs`."""
    root = build.root / "envs"
    return {
        path.relative_to(root).with_suffix("").as_posix(): path.read_text()
        for path in sorted(root.rglob("*.yaml"))
    }


def test_a_dockerfile_has_every_environment(project: Project, calls: Path) -> None:
    text = project.snakemake("--containerize").stdout
    assert text.startswith("FROM ")
    sources = re.findall(
        r"^COPY envs/(\S+)\.yaml (/conda-envs/\w+)/environment\.yaml$", text, re.MULTILINE
    )
    assert [name for name, _ in sources] == list(environments(project))
    for _, prefix in sources:
        assert f"conda env create --prefix {prefix} --file {prefix}/environment.yaml" in text
    for content in environments(project).values():
        for line in re.findall(r"^ +- \S+==\S+$", content, re.MULTILINE):
            assert f"#   {line}\n" in text


def test_only_complete_pin_files_are_installed_from(project: Project, calls: Path) -> None:
    """Snakemake takes them by itself, where they lie beside the yaml files."""
    project.snakemake("--sdm", "conda", "--conda-create-envs-only", "all", "audit", "report")
    created = calls.read_text().splitlines()
    pinned = {path.name.removesuffix(PIN) for path in (project.root / "envs").glob(f"*{PIN}")}
    first = {name: content.splitlines()[0] for name, content in environments(project).items()}
    used = {
        name for name in first if name not in {"acquire", "publish", "sen2cor", "unsolved/training"}
    }
    assert pinned & used
    assert used - pinned
    assert sorted(created) == sorted(
        f"create # The packages of envs/{name}.yaml for linux-64, solved by `make pin-envs`."
        if name in pinned
        else f"env create {first[name]}"
        for name in used
    )


def test_jobs_run_in_the_image_that_is_named(project: Project, calls: Path) -> None:
    methods = ("--sdm", "conda", "apptainer", "--dry-run")
    assert IMAGE not in project.snakemake(*methods).stderr
    said = project.snakemake(*methods, env={"REBEN_IMAGE": IMAGE})
    assert f"{IMAGE} will be pulled" in said.stdout + said.stderr
    assert not calls.exists(), "the image has the environments"
