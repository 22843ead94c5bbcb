"""Speed of batches for training, compared with the reader that the paper's authors use.

Every contender reads the same patches from the page cache in random order, in one process and
with two workers, each with one thread. All take turns, three times; the shortest counts.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from safetensors.numpy import save

from reben.domain.bands import RESOLUTION_M, S1_BANDS
from reben.domain.grid import TileGrid
from reben.domain.names import patch_id
from reben.storage.lmdb_store import write_lmdb
from reben.training.bands import MODALITIES
from tests.benchmarks.bench_encode import TILE, s1_name, write_metadata
from tests.benchmarks.harness import Action, Row, measured

CONFIGILM = "0.7.1"
TITLES = {"s2": "Sentinel-2", "all": "both"}
TRIES = 3


def write_dataset(root: Path, count: int) -> tuple[Path, Path]:
    """Write patches of incompressible pixels; returns the metadata and the LMDB."""
    cells = [divmod(i, TileGrid(32633, 300_000, 5_800_000, 109_800).count) for i in range(count)]
    ids = [patch_id(TILE, *cell) for cell in cells]
    write_metadata(root / "metadata.parquet", ids)
    rng = np.random.default_rng(0)
    kinds = dict.fromkeys(ids, "s2") | {s1_name(*cell): "s1" for cell in cells}
    with write_lmdb(root / "BigEarthNet.lmdb") as writer:
        for key in sorted(kinds):
            writer.put(key, save(_pixels(kinds[key], rng)))
    return root / "metadata.parquet", root / "BigEarthNet.lmdb"


def _pixels(kind: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    if kind == "s1":
        return {band: rng.random((120, 120), np.float32) for band in S1_BANDS}
    return {
        band: rng.integers(1, 4000, (1200 // m, 1200 // m), np.uint16)
        for band, m in RESOLUTION_M.items()
    }


def _epoch(loader: Iterable[Any], count: Callable[[Any], int], expected: int) -> None:
    found = sum(count(batch) for batch in loader)
    if found != expected:
        raise RuntimeError(f"expected {expected} patches, found {found}")


def read_only(metadata: Path, store: Path, modality: str) -> Action:
    """The floor: look up every value and copy its bytes."""
    env = lmdb.open(str(store), readonly=True, lock=False)
    with env.begin(buffers=True) as txn:
        keys = [k for k in txn.cursor().iternext(values=False) if modality == "all" or k[1] == 0x32]
    keys = [bytes(key) for key in keys]
    target = bytearray(1 << 20)

    def action() -> None:
        with env.begin(buffers=True) as txn:
            for i in np.random.default_rng(0).permutation(len(keys)):
                value = txn.get(keys[i])
                target[: len(value)] = value

    action()
    return action


def single_patches(
    metadata: Path, store: Path, modality: str, batch_size: int, workers: int, dtype: str | None
) -> Action:
    """`TorchBigEarthNet` with PyTorch's own loader."""
    from reben.torch_dataset import TorchBigEarthNet
    from reben.training.pytorch import torch

    torch.set_num_threads(1)
    patches = TorchBigEarthNet(
        metadata, store, bands=MODALITIES[modality], size_px=120, dtype=dtype
    )
    loader = torch.utils.data.DataLoader(
        patches, batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    return _second_epoch(lambda: loader, lambda batch: len(batch["labels"]), len(patches))


def whole_batches(
    metadata: Path, store: Path, modality: str, batch_size: int, workers: int
) -> Action:
    """`BatchLoader`."""
    from reben.training.batches import BatchedBigEarthNet, BatchLoader, BatchOrder
    from reben.training.pytorch import torch

    torch.set_num_threads(1)
    patches = BatchedBigEarthNet(metadata, store, MODALITIES[modality])
    loader = BatchLoader(patches, BatchOrder(len(patches), batch_size, seed=0), workers=workers)
    return _second_epoch(lambda: loader.epoch(0), len, len(patches))


def _second_epoch(
    epoch: Callable[[], Iterable[Any]], count: Callable[[Any], int], expected: int
) -> Action:
    """The first one starts the workers and fills the page cache."""
    _epoch(epoch(), count, expected)
    return lambda: _epoch(epoch(), count, expected)


def configilm_python() -> str | None:
    """The Python of an environment with configilm, made outside the project; None without one."""
    from reben.training.pytorch import torch

    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder = cache / f"reben-configilm-{CONFIGILM}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        print(f"installing configilm {CONFIGILM} into {folder}", file=sys.stderr)
        pytorch = f"torch=={torch.__version__.partition('+')[0]}"
        packages = [pytorch, f"configilm=={CONFIGILM}", "pandas<3", "pyarrow<20", "lmdb"]
        try:
            subprocess.run(["python3.11", "-m", "venv", "--clear", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"without configilm, whose environment cannot be made: {error}", file=sys.stderr)
            return None
        done.touch()
    return str(python)


def time_configilm(
    python: str, metadata: Path, store: Path, modality: str, batch_size: int, workers: int
) -> float:
    """Seconds of an epoch of configilm's data set."""
    arguments = [len(MODALITIES[modality]), batch_size, workers]
    script = Path(__file__).with_name("configilm_batches.py")
    result = subprocess.run(
        [python, script, metadata, store, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    result.check_returncode()
    return float(result.stdout.rpartition("seconds ")[2])


def rows(scratch: Path, count: int = 3000, batch_size: int = 512) -> list[Row]:
    """Measure everything on `count` patches written below `scratch`, an empty folder."""
    os.environ["OMP_NUM_THREADS"] = "1"
    data = write_dataset(scratch, count)
    python = configilm_python()
    found = []
    for workers in (0, 2):
        for modality in ("s2", "all"):
            found += _compared(data, python, modality, batch_size, workers, count)
    return found


def _compared(
    data: tuple[Path, Path],
    python: str | None,
    modality: str,
    batch_size: int,
    workers: int,
    count: int,
) -> list[Row]:
    case = (*data, modality, batch_size, workers)
    contenders: dict[str, Callable[[], tuple[float, float | None]]] = {}
    if python:
        contenders["configilm"] = lambda: (time_configilm(python, *case), None)
    contenders |= {
        "TorchBigEarthNet, float32": lambda: measured(single_patches, *case, "float32"),
        "TorchBigEarthNet, stored types": lambda: measured(single_patches, *case, None),
        "BatchLoader": lambda: measured(whole_batches, *case),
    }
    if not workers:
        contenders["read and copy only"] = lambda: measured(read_only, *data, modality)
    times: dict[str, list[tuple[float, float | None]]] = {name: [] for name in contenders}
    for _ in range(TRIES):
        for name, measure in contenders.items():
            times[name].append(measure())
            time.sleep(0.5)
    title = f"{TITLES[modality]}, {workers or 'no'} workers"
    made: list[Row] = []
    for name, results in times.items():
        seconds, peak_mb = min(results, key=itemgetter(0))
        speed = count / seconds
        floor = made[0] if made and python else None
        ratio = speed / floor.per_second if floor else None
        made.append(
            Row(f"{title}: {name}", seconds, speed, ratio, "configilm" if floor else "", peak_mb)
        )
    return made
