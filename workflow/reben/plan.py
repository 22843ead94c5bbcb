"""Say what a build will take, before anything runs.

In: a config and its product table. Out: products to fetch, hours of sen2cor, memory, disk and
files of every stage, against what this machine has. Exits with 1 if the disk cannot hold it.
Tiles that are encoded already do not count. A build asks the same at its start, of the jobs that it
has to run.

The figures are upper limits: they are for tiles in which every patch is valid and kept.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from reben.config.check import check_keys, check_settings, find_shipped
from reben.config.user_file import HOME, SCHEMA, places, read_config
from reben.results.needs import SEN2COR_MB, SEN2COR_SCRATCH_BYTES, STEP_MB, Machine, Needs, needs
from reben.runtime import cli
from reben.summary import size_words


def shortage(need: Needs, machine: Machine, results: str | os.PathLike[str]) -> str | None:
    """What to say where the disk cannot hold what is needed; None where it can."""
    if need.fits(machine):
        return None
    stages = ", ".join(f"{stage.folder} {size_words(stage.size)}" for stage in need.stages)
    limit = "" if machine.free_files is None else f" and {machine.free_files:,} files"
    return (
        f"the disk of {results} cannot hold this build: expected room for up to "
        f"{size_words(need.size)} and {need.files:,} files ({stages}), found "
        f"{size_words(machine.free)}{limit} free in {Path(results).absolute()}; free some space, "
        "name another `results` folder, or set `patches.container: tar`, which makes few files"
    )


def described(need: Needs, machine: Machine) -> Table:
    """What a build takes and what the machine has, as a table."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{need.tiles} tiles to make", title_justify="left")
    table.add_column("")
    table.add_column("needed", justify="right")
    table.add_column("here", justify="right")
    if need.fetched:
        table.add_row(f"download, {need.fetched} products", size_words(need.fetched_bytes))
    corrected_h, steps_h = need.hours(machine)
    if need.corrected:
        at_once = need.at_once(machine)
        sen2cor = f"sen2cor, {need.corrected} products, {at_once} at a time"
        table.add_row(sen2cor, _time_words(corrected_h))
        memory, scratch = at_once * SEN2COR_MB, at_once * SEN2COR_SCRATCH_BYTES
        table.add_row("scratch in $TMPDIR", size_words(scratch))
    else:
        memory = STEP_MB
    table.add_row("all other steps", _time_words(steps_h), f"{machine.cores} cores")
    table.add_row("memory", size_words(memory * 1e6), size_words(machine.memory_mb * 1e6))
    for stage in need.stages:
        table.add_row(f"  {stage.folder}", f"{size_words(stage.size)}, {stage.files:,} files")
    table.add_row("disk", size_words(need.size), f"{size_words(machine.free)} free", style="bold")
    limit = "no limit" if machine.free_files is None else f"{machine.free_files:,} free"
    table.add_row("files", f"{need.files:,}", limit, style="bold")
    return table


def _time_words(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def main(argv: Sequence[str] | None = None) -> None:
    """Print what a build takes."""
    parser = cli.parser(
        __doc__, example="mine.yaml", failure="an error, or the disk cannot hold the build"
    )
    parser.add_argument("config", help="config file (YAML)")
    args = parser.parse_args(argv)
    config = read_config(args.config)
    check_keys(config, SCHEMA, places(args.config))
    find_shipped(config, HOME)
    need = needs(config, check_settings(config))
    machine = Machine.of(config["results"])
    Console().print(described(need, machine))
    if fault := shortage(need, machine, config["results"]):
        sys.exit(f"error: {fault}")


if __name__ == "__main__":
    cli.run(main)
