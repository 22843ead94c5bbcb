"""`snakedeploy deploy-workflow` of a hosted repository: a Snakefile that fetches the workflow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reben.synthetic import ProductSpec

PROJECT = Path(__file__).parents[2]
ADDRESS = "https://github.com/someone/reben"
#: What snakedeploy 0.17 writes.
DEPLOYED = """
from snakemake.utils import min_version

min_version("6.10.0")

configfile: "config/config.yaml"

module reben:
    snakefile:
        {source}
    config:
        config

use rule * from reben
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with the project at tag v9, whose `quality` step logs that."""
    tree = tmp_path_factory.mktemp("tree") / "reben"
    for part in ("config", "envs", "resources/nomenclature", "workflow"):
        shutil.copytree(PROJECT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / ".gitignore", tree)
    step = tree / "workflow/reben/quality.py"
    step.write_text(f"{step.read_text()}\nimport sys; print('code of v9', file=sys.stderr)\n")
    bare = tree.with_suffix(".git")
    who = ("-c", "user.name=someone", "-c", "user.email=somebody@example.com")
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--force", "."),
        (*who, "commit", "--quiet", "--message=All"),
        ("tag", "v9"),
        ("clone", "--quiet", "--bare", ".", str(bare)),
    ):
        subprocess.run(["git", *command], cwd=tree, check=True)
    return bare


class Deployment:
    """A folder as made by snakedeploy; git resolves the address to a repository on this machine."""

    def __init__(self, folder: Path, repository: Path, product: Path, spec: ProductSpec) -> None:
        self.folder = folder
        self.target = f"results/quality/{spec.product.tile}.json"
        self.log = folder / f"results/logs/check_quality/{spec.product.tile}.log"
        shutil.copytree(PROJECT / "config", folder / "config")
        (folder / "workflow").mkdir()
        (folder / "config/products.tsv").write_text(
            f"product\tlevel\tsource\tpath\n{spec.name}\tL2A\tlocal\t{product}\n"
        )
        (folder / "corine.gpkg").touch()
        config = yaml.safe_load((folder / "config/config.yaml").read_text())
        config["corine"]["path"] = "corine.gpkg"
        (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS,
        }

    def run(self, source: str, *options: str) -> "subprocess.CompletedProcess[str]":
        (self.folder / "workflow/Snakefile").write_text(DEPLOYED.format(source=source))
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores=1", *options, "--", self.target],
            cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip


@pytest.fixture
def deployment(
    repository: Path, pristine_product: Path, spec: ProductSpec, tmp_path: Path
) -> Deployment:
    return Deployment(tmp_path, repository, pristine_product, spec)


def hosted(version: str) -> str:
    return f'github("someone/reben", path="workflow/Snakefile", {version})'


def test_a_deployed_workflow_runs_the_code_of_its_tag(deployment: Deployment) -> None:
    done = deployment.run(hosted('tag="v9"'))
    assert done.returncode == 0, done.stdout
    assert "code of v9" in deployment.log.read_text()
    # As on a cluster node, which may have neither git nor its cache.
    shutil.rmtree(deployment.folder / "cache/snakemake/snakemake-git-cache", ignore_errors=True)
    again = deployment.run(hosted('tag="v9"'), "--dry-run")
    assert again.returncode == 0, again.stdout
    assert "Nothing to be done" in again.stdout


def test_a_branch_is_taken_at_its_newest_commit(deployment: Deployment, repository: Path) -> None:
    done = deployment.run(hosted('branch="main"'), "--dry-run")
    assert done.returncode == 0, done.stdout
    commit = subprocess.check_output(["git", "rev-parse", "main"], cwd=repository, text=True)
    clone = deployment.folder / ".snakemake/reben" / commit.strip()
    state = subprocess.check_output(["git", "status", "--porcelain"], cwd=clone, text=True)
    assert state == "", "the audit records the commit, and that nothing was changed"


def test_other_addresses_are_refused_with_what_to_do(
    deployment: Deployment, repository: Path
) -> None:
    tree = repository.with_suffix("")
    done = deployment.run(f'"git+file://{tree}/workflow/Snakefile@v9"')
    assert done.returncode == 1
    assert "Clone the repository and run the Snakefile of the clone" in done.stdout
    assert "Traceback" not in done.stdout
