"""What the jobs of a build take: downloads, hours, memory, disk and files of every stage.

In: a config, its products, and which jobs are due. Out: figures, against what this machine has.
They are upper limits: for tiles in which every patch is valid and kept.
"""

import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from reben.config.product_table import Product
from reben.domain.bands import REFERENCE_MAP_M, RESOLUTION_M, S1_BANDS
from reben.memory.record import record_path
from reben.results.layout import Layout
from reben.runtime.errors import RebenError
from reben.safe.metadata import L2AProduct

#: Whether the job of a rule is due, for a tile or, with an empty text, for all tiles.
IsDue = Callable[[str, str], bool]

#: The rules that encode each kind of images.
_ENCODERS = {
    "s2": "encode_sentinel2",
    "s1": "encode_sentinel1",
    "reference_maps": "encode_reference_maps",
}
#: Side of a tile of Sentinel-2, metres.
_TILE_M = 109_800
#: Bytes and files of a product: a download, and what sen2cor makes of it.
_BYTES, _SAFE_FILES = {"L1C": 800_000_000, "L2A": 1_100_000_000}, 130
#: From this part of its usual size on, a product counts as full of data; below, in proportion.
_FULL = 0.6
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


def needs(
    config: dict[str, Any],
    products: dict[str, Product],
    is_due: IsDue | None = None,
    *,
    guess: bool = True,
) -> Needs:
    """What the jobs that are due take. Outputs that are only replaced take nothing.

    Args:
        config: merged with the defaults, and checked.
        products: by tile.
        is_due: whether a rule's job is due, for a tile or, with an empty text, for all; by default
            those without a record, of tiles that are not encoded.
        guess: whether products of unknown size count as full tiles, or not at all.
    """
    is_due = is_due or partial(_is_not_recorded, config["results"])
    layout = Layout(config["results"])
    side_m: int = config["patches"]["side_m"]
    kinds = [kind for kind in _ENCODERS if kind in config["lmdb"]["include"]]
    if layout.sentinel1_root(config["sentinel1"]) is None:
        kinds = [kind for kind in kinds if kind != "s1"]
    layers = {
        "s2": [_pixels(side_m, resolution) * 2 for resolution in RESOLUTION_M.values()],
        "s1": [_pixels(side_m, 10) * 4 for _ in S1_BANDS],
        "reference_maps": [_pixels(side_m, REFERENCE_MAP_M) * 2],
    }

    @cache  # each product is opened once, and only if a job of it is due
    def size(tile: str) -> int:
        return _product_bytes(products[tile], guess=guess)

    @cache
    def patches(tile: str) -> int:
        return _patches(products[tile], partial(size, tile), side_m)

    def due(rule: str, level: str = "") -> list[str]:
        return [
            tile
            for tile, product in products.items()
            if is_due(rule, tile) and level in ("", product.level)
        ]

    def images(folder: str, rule: str, pixels: Sequence[int]) -> Stage:
        tiles = [tile for tile in due(rule) if not Path(layout.root, folder, tile).exists()]
        return _images(folder, sum(map(patches, tiles)), pixels, config, len(tiles))

    def shard(kind: str, tile: str) -> int:
        if (path := layout.shard(kind, tile)).exists():
            return sum(file.stat().st_size for file in path.iterdir())
        return patches(tile) * _blocks(sum(layers[kind]) + _HEADER_BYTES)

    l1c, corrected = due("acquire", "L1C"), due("run_sen2cor", "L1C")
    copied = [t for t in due("acquire_l2a", "L2A") if not products[t].is_used_in_place]
    fetched = [t for t in (*l1c, *copied) if products[t].source == "cdse"]
    l1c = [t for t in l1c if not layout.l1c(t).exists()]
    l2a = [t for t in (*corrected, *copied) if not layout.l2a(t).exists()]
    encoded = [
        shard(kind, tile)
        for kind in kinds
        for tile in due(_ENCODERS[kind])
        if not layout.shard(kind, tile).exists()
    ]
    packed = (
        [shard(kind, t) for kind in kinds for t in products] if is_due("build_lmdb", "") else []
    )
    cut = due("make_patches")
    count = len({*l1c, *l2a, *cut, *due("make_reference_maps")})
    stages = [
        Stage("l1c", sum(map(size, l1c)), len(l1c) * _SAFE_FILES),
        Stage("l2a", sum(_l2a_bytes(products[t], size(t)) for t in l2a), len(l2a) * _SAFE_FILES),
        images("patches", "make_patches", layers["s2"]),
        # Deflated: hardly any fills more than a block.
        images("reference_maps", "make_reference_maps", [_BLOCK - _HEADER_BYTES]),
        images("sentinel1", "cut_sentinel1", layers["s1"] if config["sentinel1"]["scenes"] else []),
        Stage("encoded", sum(encoded), 2 * len(encoded)),
        Stage("dataset", sum(packed), 20),
        Stage("tables, logs, ...", count * _SMALL_FILES * 2 * _BLOCK, count * _SMALL_FILES),
    ]
    return Needs(
        tiles=count,
        fetched=len(fetched),
        fetched_bytes=sum(map(size, fetched)),
        corrected=len(corrected),
        stages=[stage for stage in stages if stage.size],
        steps_s=STEPS_S * sum(map(patches, cut)) / (_TILE_M // 1200) ** 2,
    )


def _is_not_recorded(results: str, rule: str, tile: str) -> bool:
    """Whether a job has left no record, and its tile is not encoded."""
    if tile and Path(record_path(results, "encode_sentinel2", tile)).exists():
        return False
    return not Path(record_path(results, rule, tile)).exists()


def _images(
    folder: str, patches: int, layers: Sequence[int], config: dict[str, Any], tiles: int
) -> Stage:
    """GeoTIFFs: a file for each layer in a folder for each patch, or a tar file for each tile."""
    if config["patches"]["container"] == "tar":
        return Stage(folder, patches * sum(size + _HEADER_BYTES for size in layers), 3 * tiles)
    size = sum(_blocks(size + _HEADER_BYTES) for size in layers) + _BLOCK if layers else 0
    return Stage(folder, patches * size, patches * (len(layers) + 1))


def _pixels(side_m: int, resolution_m: int) -> int:
    return (side_m // resolution_m) ** 2


def _blocks(size: int) -> int:
    return math.ceil(size / _BLOCK) * _BLOCK


def _product_bytes(product: Product, *, guess: bool) -> int:
    """What the table says; of a product on this machine what it has; else the usual or nothing."""
    if product.size:
        return int(product.size)
    path = Path(product.path) if product.path else None
    if path is None or not path.exists():
        return _BYTES[product.level] if guess else 0
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _l2a_bytes(product: Product, size: int) -> int:
    """Of what sen2cor makes of a product of level L1C, or of one of level L2A itself."""
    return size if product.level == "L2A" else round(_BYTES["L2A"] * _fullness(product, size))


def _fullness(product: Product, size: int) -> float:
    return min(1.0, size / (_FULL * _BYTES[product.level]))


def _patches(product: Product, size: Callable[[], int], side_m: int) -> int:
    """Of a product that is used in place those of its own tile, else of a tile of Sentinel-2."""
    if product.is_used_in_place and Path(product.path).exists():
        try:
            tile_m = L2AProduct.open(product.path).square().tile_side_m
        except RebenError:
            return 0  # a step will say what is wrong with it
        return int((tile_m // side_m) ** 2)
    return math.ceil((_TILE_M // side_m) ** 2 * _fullness(product, size()))
