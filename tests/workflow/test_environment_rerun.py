"""Editing a conda environment runs its rules again, even if conda is not used."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from reben.synthetic import ProductSpec

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(pristine_product: Path, spec: ProductSpec, tmp_path: Path) -> Path:
    """A copy of the workflow in which one product was judged."""
    for folder in ("workflow", "config", "envs", "resources/nomenclature"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "products.tsv").write_text(
        "product\tlevel\tsource\tpath\tid\tchecksum\n"
        f"{spec.name}\tL2A\tlocal\t{pristine_product}\t\t\n"
    )
    config = {"products": "products.tsv", "corine": {"path": "corine.gpkg"}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "corine.gpkg").touch()
    said = build(tmp_path, spec)
    assert "Finished jobid" in said
    return tmp_path


def build(project: Path, spec: ProductSpec, *options: str) -> str:
    target = f"results/quality/{spec.product.tile}.json"
    done = subprocess.run(
        ["snakemake", "--configfile=mine.yaml", "--cores=1", *options, "--", target],
        cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_another_pin_reruns_a_comment_does_not(project: Path, spec: ProductSpec) -> None:
    file = project / "envs/tables.yaml"
    text = file.read_text()
    assert "Nothing to be done" in build(project, spec, "--dry-run")
    file.write_text(f"# Another comment.\n{text}")
    assert "Nothing to be done" in build(project, spec, "--dry-run")
    other = re.sub(r"polars==\S+", "polars==0.0.1", text)
    assert other != text
    file.write_text(other)
    said = build(project, spec, "--dry-run")
    assert "rule check_quality" in said
    assert "other_environment" in said
