"""The cost of the workflow itself: planning many tiles, and finding nothing to do."""

import subprocess
import sys
from pathlib import Path

import yaml

from reben.config.product_table import Product, write_products
from reben.runtime.files import write_json
from tests.benchmarks.harness import Row, measured, plain

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def names(count: int) -> list[str]:
    """`count` product names, each of a different tile."""
    squares = [f"{zone:02d}U{a}{b}" for zone in range(1, 61) for a in _LETTERS for b in _LETTERS]
    return [
        f"S2A_MSIL2A_20170613T101031_N9999_R022_T{square}_20240101T000000"
        for square in squares[:count]
    ]


def plan(folder: Path, count: int) -> Path:
    """A config for `count` local products, of which only empty folders exist."""
    folder.mkdir()
    (folder / "product.SAFE").mkdir()
    (folder / "corine.gpkg").touch()
    products = [
        Product(name, "L2A", "local", path=f"{folder}/product.SAFE") for name in names(count)
    ]
    write_products(folder / "products.tsv", products)
    config = {
        "results": f"{folder}/results",
        "products": f"{folder}/products.tsv",
        "corine": {"path": f"{folder}/corine.gpkg"},
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
    """Make it look finished: every output exists and is recorded by Snakemake."""
    results = config.parent / "results"
    tiles = [name.rpartition("_")[0] for name in names(count)]
    for tile in tiles:
        write_json(results / f"quality/{tile}.json", {"indicators": {}})
        (results / "corine").mkdir(exist_ok=True)
        (results / f"corine/{tile}-0.parquet").touch()
    clips = {tile: {"clip": f"{tile}-0.parquet"} for tile in tiles}
    write_json(results / "corine/manifest.json", {"tiles": clips})
    extra = ["--config", "quality={required: []}"]
    for line in snakemake(config, "--summary", *extra).splitlines():
        path = Path(line.split("\t")[0])
        if line.startswith(str(results)) and not path.exists():
            if path.suffix in ("", ".lmdb") or path.name.startswith("S2"):
                is_file = path.suffix in (".parquet", ".json", ".csv", ".png")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if is_file else path.mkdir()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    snakemake(config, "--touch", *extra)


def no_op(config: Path) -> None:
    """A run of a finished dataset."""
    output = snakemake(config, "--config", "quality={required: []}")
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
