"""The cost of the workflow itself: planning many tiles, and finding nothing to do."""

import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import yaml

from reben.config.product_table import Product, write_products
from reben.memory.ownership import take_possession
from reben.memory.plan import Plan
from reben.memory.recording import note, recorded
from reben.results.layout import STAGES
from reben.runtime.files import write_json
from tests.benchmarks.harness import Row, measured, plain
from tests.rules import read_workflow

#: Rules of the target `all` where there are L2A products and CORINE alone.
_RULES = {
    *("check_quality", "make_patches", "clip_corine", "make_reference_maps", "label_patches"),
    *("assign_split", "flag_snow_cloud", "select_patches", "build_metadata", "count_funnel"),
    *("encode_sentinel2", "encode_reference_maps", "build_lmdb"),
}
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def names(count: int) -> list[str]:
    """`count` product names, each of a different tile."""
    squares = [f"{zone:02d}U{a}{b}" for zone in range(1, 61) for a in _LETTERS for b in _LETTERS]
    return [
        f"S2A_MSIL2A_20170613T101031_N9999_R022_T{square}_20240101T000000"
        for square in squares[:count]
    ]


def plan(folder: Path, count: int) -> Path:
    """A config for `count` local products, which are one folder of empty files."""
    folder.mkdir()
    (folder / "product.SAFE").mkdir()
    for number in range(150):  # as many as a product has
        (folder / f"product.SAFE/{number}.jp2").touch()
    (folder / "corine.gpkg").touch()
    products = [
        Product(name, "L2A", "local", path=f"{folder}/product.SAFE") for name in names(count)
    ]
    write_products(folder / "products.tsv", products)
    config = {
        "results": f"{folder}/results",
        "products": f"{folder}/products.tsv",
        "corine": {"path": f"{folder}/corine.gpkg"},
        "quality": {"required": []},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def snakemake(config: Path, *args: str) -> str:
    """Run Snakemake on the project with a config; its output."""
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "none", "--cores", "2"]
    command += ["--configfile", str(config)]
    done = subprocess.run([*command, *args], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def finish(config: Path, count: int) -> None:
    """Make it look finished: every output is there, and its record."""
    results = config.parent / "results"
    take_possession(str(results), STAGES)
    tiles = [name.rpartition("_")[0] for name in names(count)]
    for tile in tiles:
        write_json(results / f"quality/{tile}.json", {"indicators": {}})
        (results / "land_cover").mkdir(exist_ok=True)
        (results / f"land_cover/{tile}-0.parquet").touch()
    clips = {tile: {"clip": f"{tile}-0.parquet"} for tile in tiles}
    write_json(results / "land_cover/manifest.json", {"tiles": clips})
    for line in snakemake(config, "--summary").splitlines():
        path = Path(line.split("\t")[0])
        if line.startswith(str(results)) and not path.exists():
            is_file = path.suffix in (".parquet", ".json", ".csv", ".png", ".mdb")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if is_file else path.mkdir()
    table = str(config.parent / "products.tsv")
    with read_workflow(config) as workflow, patch.dict(os.environ, REBEN_PRODUCTS=table):
        remember(workflow.globals["PLAN"])
    now = time.time()  # of the same age: they were made in no order
    for path in results.rglob("*"):
        os.utime(path, (now, now))


def remember(plan: Plan) -> None:
    """Write the records of all jobs of the target `all`, as the steps do."""
    waiting = [rule for rule in plan.rules if rule in _RULES]
    done: set[str] = set()
    while waiting:
        rule = next(r for r in waiting if set(plan.rules[r].after) <= done)
        for tile in plan.names(rule):
            with recorded(plan.arguments(rule, tile)[1:]):
                if rule == "make_patches":
                    note("indicators", {})
                    note("verdict", [])
        waiting.remove(rule)
        done.add(rule)


def no_op(config: Path) -> None:
    """A run of a finished dataset."""
    output = snakemake(config)
    if "Nothing to be done" not in output:
        raise RuntimeError(f"expected nothing to be done:\n{output[-3000:]}")


def dry_run(config: Path) -> None:
    """Plan all jobs."""
    snakemake(config, "--dry-run", "--quiet")


def rows(
    scratch: Path, counts: tuple[int, ...] = (100, 1000, 10_000), finished: int = 125
) -> list[Row]:
    """Measure planning for `counts` tiles, and a run of `finished` tiles that are done."""
    found = []
    for count in counts:
        seconds, peak = measured(plain, dry_run, plan(scratch / f"dry{count}", count))
        found.append(Row(f"dry run, {count:,} tiles", seconds, count / seconds, None, "", peak))
    config = plan(scratch / "finished", finished)
    finish(config, finished)
    seconds, peak = measured(plain, no_op, config)
    found.append(
        Row(
            f"nothing to do, {finished} finished tiles", seconds, finished / seconds, None, "", peak
        )
    )
    return found
