"""The workflow runs from any folder, through either Snakefile, as a module, and not activated."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reben.synthetic import ProductSpec

PROJECT = Path(__file__).parents[2]
SNAKEFILES = ("Snakefile", "workflow/Snakefile")
MODULE = """
configfile: "config.yaml"

module reben:
    snakefile: "{snakefile}"
    config: config["reben"]

use rule * from reben as reben_*

rule count:
    default_target: True
    input: expand(rules.reben_check_quality.output, tile=config["tile"])
    output: "count.txt"
    shell: "wc -l {{input}} > {{output}}"
"""


def write_inputs(folder: Path, product: Path, spec: ProductSpec) -> dict[str, object]:
    """Write a product table and a file where CORINE should be; returns the config."""
    (folder / "products.tsv").write_text(
        f"product\tlevel\tsource\tpath\n{spec.name}\tL2A\tlocal\t{product}\n"
    )
    (folder / "corine.gpkg").touch()
    return {"products": "products.tsv", "corine": {"path": "corine.gpkg"}}


def snakemake(folder: Path, *options: str) -> str:
    """Run Snakemake, not activated, and insist that it succeeds; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *options],
        cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("snakefile", SNAKEFILES)
def test_another_workflow_uses_it_as_a_module(
    snakefile: str, pristine_product: Path, spec: ProductSpec, tmp_path: Path
) -> None:
    """With the files it ships, without `python` on PATH or the package on PYTHONPATH."""
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=PROJECT / snakefile))
    mine = write_inputs(tmp_path, pristine_product, spec)
    config = {"tile": spec.product.tile, "reben": mine}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    snakemake(tmp_path, "--cores=1")
    assert (tmp_path / f"results/quality/{spec.product.tile}.json").exists()
    assert (tmp_path / "count.txt").exists()


@pytest.mark.parametrize("snakefile", SNAKEFILES)
def test_both_snakefiles_plan_the_dataset_with_the_default_profile(
    snakefile: str, pristine_product: Path, spec: ProductSpec, tmp_path: Path
) -> None:
    """`cores` and `show-failed-logs` come from the profile; the target is `all`."""
    mine = write_inputs(tmp_path, pristine_product, spec)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    planned = snakemake(
        tmp_path, f"--snakefile={PROJECT / snakefile}", "--configfile=mine.yaml", "--dry-run"
    )
    assert re.search(r"^all +1$", planned, re.MULTILINE)
    assert re.search(r"^make_patches +1$", planned, re.MULTILINE)
    assert re.search(r"workflow specific profile \S+profiles/default ", planned)


def test_a_fresh_clone_is_planned_from_its_root_without_naming_snakefile_or_profile() -> None:
    """The example product is missing, which a dry run lists."""
    planned = snakemake(PROJECT, "--dry-run", "--nolock")
    assert "workflow specific profile profiles/default " in planned
    assert "config/products.tsv, S2A_MSIL1C" in planned
    assert re.search(r"^run_sen2cor +1$", planned, re.MULTILINE)


@pytest.mark.parametrize("options", [(), ("--snakefile=workflow/Snakefile",)])
def test_the_catalogue_can_lint_it_and_draw_its_rules(options: tuple[str, ...]) -> None:
    """The workflow catalogue runs both on a fresh clone, which has no inputs."""
    snakemake(PROJECT, *options, "--lint")
    drawn = snakemake(PROJECT, *options, "--rulegraph", "mermaid-js", "--directory=.test")
    rules = {
        name
        for path in Path(PROJECT, "workflow/rules").glob("*.smk")
        for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.MULTILINE)
    }
    targets = {"audit", "digest_tile", "draw_overview", "report", "pack_archives", "catalogue"}
    targets |= {"band_statistics", "train_model", "evaluate_model", "summarise_models", "table2"}
    # Instead of these, the config has polygons, and a folder of Sentinel-1 patches.
    targets |= {"clip_land_cover", "index_scenes", "match_scenes", "cut_sentinel1"}
    assert rules - targets <= set(re.findall(r"id\d+\[(\w+)\]", drawn))
