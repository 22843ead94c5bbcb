"""Say what a build will take, before anything runs.

In: a config and its product table. Out: products to fetch, hours of sen2cor, memory, disk and
files of every stage, against what this machine has. Exits with 1 if the disk cannot hold it.
Tiles that are encoded already do not count.

The figures are upper limits: they are for tiles in which every patch is valid and kept.
"""

import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from reben.config.check import check_keys, check_settings, find_shipped
from reben.config.product_table import Product
from reben.config.user_file import HOME, SCHEMA, places, read_config
from reben.domain.bands import REFERENCE_MAP_M, RESOLUTION_M, S1_BANDS
from reben.memory.record import record_path
from reben.results.layout import Layout
from reben.runtime import cli
from reben.safe.metadata import L2AProduct
from reben.summary import size_words

#: Side of a tile of Sentinel-2, metres.
_TILE_M = 109_800
#: Bytes and files of a product: a download, and what sen2cor makes of it.
_L1C_BYTES, _L2A_BYTES, _SAFE_FILES = 800_000_000, 1_100_000_000, 130
#: Of a GeoTIFF beside its pixels, and of an entry of the LMDB.
_HEADER_BYTES = 400
#: Disks and LMDB give out space in such blocks.
_BLOCK = 4096
#: Files of a tile beside its images: tables, records, logs, digests.
_SMALL_FILES = 60
#: sen2cor: minutes and memory of a tile (the rule's `runtime` allows three times as long), and
#: scratch in $TMPDIR.
SEN2COR_MIN, SEN2COR_MB, SEN2COR_SCRATCH_BYTES = 40, 8000, 5_000_000_000
#: Memory that the largest of the other jobs requests.
STEP_MB = 4000
#: Seconds of one core for a dense full-size tile, all steps after sen2cor (docs/performance.md).
STEPS_S = 150


@dataclass(frozen=True)
class Stage:
    """What a stage writes below the results.

    Attributes:
        folder: below the results.
        size: bytes on disk.
        files: files and folders.
    """

    folder: str
    size: int
    files: int


@dataclass(frozen=True)
class Machine:
    """What there is to build with.

    Attributes:
        cores: processors.
        memory_mb: of all jobs together.
        free: bytes of the disk of the results.
        free_files: files that it can still hold; None where there is no such limit.
    """

    cores: int
    memory_mb: int
    free: int
    free_files: int | None

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> "Machine":
        """This machine, and the disk of a folder that need not exist yet."""
        place = Path(folder).absolute()
        while not place.exists():
            place = place.parent
        status = os.statvfs(place)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(
            len(os.sched_getaffinity(0)),
            memory // 10**6,
            shutil.disk_usage(place).free,
            status.f_favail if status.f_files else None,  # btrfs and others have no table
        )


@dataclass(frozen=True)
class Needs:
    """What a build takes.

    Attributes:
        tiles: tiles to make.
        fetched: products to fetch.
        fetched_bytes: their size.
        corrected: products that go through sen2cor.
        stages: what every stage writes.
        steps_s: seconds of one core for everything after sen2cor.
    """

    tiles: int
    fetched: int
    fetched_bytes: int
    corrected: int
    stages: list[Stage]
    steps_s: float

    @property
    def size(self) -> int:
        """Bytes of all stages."""
        return sum(stage.size for stage in self.stages)

    @property
    def files(self) -> int:
        """Files of all stages."""
        return sum(stage.files for stage in self.stages)

    def at_once(self, machine: Machine) -> int:
        """How many products go through sen2cor at the same time."""
        return max(1, min(self.corrected, machine.cores, machine.memory_mb // SEN2COR_MB))

    def hours(self, machine: Machine) -> tuple[float, float]:
        """Hours of sen2cor and of all else on a machine; downloads come on top."""
        rounds = math.ceil(self.corrected / self.at_once(machine))
        return rounds * SEN2COR_MIN / 60, self.steps_s / machine.cores / 3600

    def fits(self, machine: Machine) -> bool:
        """Whether the disk can hold it."""
        enough_files = machine.free_files is None or self.files <= machine.free_files
        return self.size <= machine.free and enough_files


def needs(config: dict[str, Any], products: dict[str, Product]) -> Needs:
    """What the tiles that are not encoded yet take.

    Args:
        config: merged with the defaults, and checked.
        products: by tile.
    """
    results = config["results"]
    waiting = {
        tile: product
        for tile, product in products.items()
        if not Path(record_path(results, "encode_sentinel2", tile)).exists()
    }
    scenes = config["sentinel1"]["scenes"] is not None
    side_m, kinds = config["patches"]["side_m"], set(config["lmdb"]["include"])
    if Layout(results).sentinel1_root(config["sentinel1"]) is None:
        kinds.discard("s1")
    patches = sum((_side_m(product) // side_m) ** 2 for product in waiting.values())
    layers = {
        "s2": [_pixels(side_m, resolution) * 2 for resolution in RESOLUTION_M.values()],
        "s1": [_pixels(side_m, 10) * 4 for _ in S1_BANDS],
        "reference_maps": [_pixels(side_m, REFERENCE_MAP_M) * 2],
    }
    entries = sum(_blocks(sum(layers[kind]) + _HEADER_BYTES) for kind in kinds)
    l1c = [product for product in waiting.values() if product.level == "L1C"]
    l2a = [product for product in waiting.values() if not product.is_used_in_place]
    fetched = [product for product in waiting.values() if product.source == "cdse"]
    count = len(waiting)
    # Patches of Sentinel-1 are written only where they are cut from scenes.
    cut = [_images("sentinel1", patches, layers["s1"], config, count)] if scenes else []
    stages = [
        Stage("l1c", sum(map(_product_bytes, l1c)), len(l1c) * _SAFE_FILES),
        Stage("l2a", len(l2a) * _L2A_BYTES, len(l2a) * _SAFE_FILES),
        _images("patches", patches, layers["s2"], config, count),
        # Deflated: hardly any fills more than a block.
        _images("reference_maps", patches, [_BLOCK - _HEADER_BYTES], config, count),
        *cut,
        Stage("encoded", patches * entries, 2 * count * len(kinds)),
        Stage("dataset", patches * entries if count else 0, 20),
        Stage("tables, logs, ...", count * _SMALL_FILES * 2 * _BLOCK, count * _SMALL_FILES),
    ]
    return Needs(
        tiles=count,
        fetched=len(fetched),
        fetched_bytes=sum(map(_product_bytes, fetched)),
        corrected=len(l1c),
        stages=[stage for stage in stages if stage.size],
        steps_s=STEPS_S * patches / (_TILE_M // 1200) ** 2,
    )


def _images(
    folder: str, patches: int, layers: Sequence[int], config: dict[str, Any], tiles: int
) -> Stage:
    """GeoTIFFs: a file for each layer in a folder for each patch, or a tar file for each tile."""
    if config["patches"]["container"] == "tar":
        return Stage(folder, patches * sum(size + _HEADER_BYTES for size in layers), 3 * tiles)
    size = sum(_blocks(size + _HEADER_BYTES) for size in layers) + _BLOCK
    return Stage(folder, patches * size, patches * (len(layers) + 1))


def _pixels(side_m: int, resolution_m: int) -> int:
    return (side_m // resolution_m) ** 2


def _blocks(size: int) -> int:
    return math.ceil(size / _BLOCK) * _BLOCK


def _product_bytes(product: Product) -> int:
    return int(product.size or (_L1C_BYTES if product.level == "L1C" else _L2A_BYTES))


def _side_m(product: Product) -> int:
    """Side of the tile: of a product that is used in place its own, else that of Sentinel-2."""
    if product.is_used_in_place and Path(product.path).exists():
        return L2AProduct.open(product.path).square().tile_side_m
    return _TILE_M


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
    if not need.fits(machine):
        sys.exit(
            f"error: the disk of {config['results']} cannot hold this build; free some space, name "
            "another `results` folder, or set `patches.container: tar`, which makes few files"
        )


if __name__ == "__main__":
    cli.run(main)
