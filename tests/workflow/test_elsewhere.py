"""The workflow runs from any folder, as part of another workflow, and not activated."""

import subprocess
import sys
from pathlib import Path

import yaml

from reben.synthetic import ProductSpec

PROJECT = Path(__file__).parents[2]
OUTER = f"""
configfile: "config.yaml"

module reben:
    snakefile: "{PROJECT}/Snakefile"
    config: config["reben"]

use rule * from reben as reben_*

rule count:
    default_target: True
    input: expand(rules.reben_check_quality.output, tile=config["tile"])
    output: "count.txt"
    shell: "wc -l {{input}} > {{output}}"
"""


def test_another_workflow_uses_it_as_a_module(
    pristine_product: Path, spec: ProductSpec, tmp_path: Path
) -> None:
    """With what it ships, without `python` on PATH nor the package on PYTHONPATH."""
    (tmp_path / "Snakefile").write_text(OUTER)
    (tmp_path / "products.tsv").write_text(
        f"product\tlevel\tsource\tpath\n{spec.name}\tL2A\tlocal\t{pristine_product}\n"
    )
    (tmp_path / "corine.gpkg").touch()
    mine = {"products": "products.tsv", "corine": {"path": "corine.gpkg"}}
    config = {"tile": spec.product.tile, "reben": mine}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores=1"],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (tmp_path / f"results/quality/{spec.product.tile}.json").exists()
    assert (tmp_path / "count.txt").exists()
