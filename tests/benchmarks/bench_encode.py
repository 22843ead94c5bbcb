"""How fast GeoTIFFs become the LMDB and the LMDB becomes arrays, against the naive ways.

``python -m tests.benchmarks.bench_encode [patches]`` prints the rows as a table.
"""

import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lmdb
import numpy as np
import polars as pl
import rasterio
from safetensors.numpy import save

from reben import build_lmdb, encode
from reben.bands import RESOLUTION_M, S1_BANDS, S2_BANDS
from reben.dataset import BigEarthNet
from reben.geotiff import Profile, template
from reben.grid import TileGrid
from reben.names import patch_id
from reben.patch_store import PatchWriter
from reben.safetensors_value import repeat_pixels
from reben.tables import METADATA, SENTINEL1, read_table, write_table

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
GRID = TileGrid(32633, 300_000, 5_800_000, 109_800)
KINDS = {"s2": "patches", "s1": "sentinel1", "reference_maps": "reference_maps"}


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        step: what was timed.
        seconds: wall time of it.
        per_second: patches per second.
        ratio: how many times faster than `floor`, measured in the same run; None for a
            row that is itself a floor.
        floor: name of the way that it is compared with.
        peak_mb: peak memory of the process that ran it alone.
    """

    step: str
    seconds: float
    per_second: float
    ratio: float | None
    floor: str
    peak_mb: float


def measured(function: Callable[..., object], *args: object, tries: int = 1) -> tuple[float, float]:
    """Time a function in a process of its own.

    Args:
        function: what to time. If it returns another function, it has prepared something
            (imports, tables) and the other one alone is timed.
        args: what it is called with.
        tries: take the shortest of so many; the first to write to new blocks is often slow.

    Returns:
        Wall time in seconds and peak memory in MB.
    """
    context = multiprocessing.get_context("spawn")
    results: list[tuple[float, float]] = []
    for _ in range(tries):
        receiver, sender = context.Pipe(duplex=False)
        os.sync()  # what was written before is not this function's burden
        process = context.Process(target=_report, args=(sender, function, args))
        process.start()
        sender.close()
        try:
            results.append(receiver.recv())
        finally:
            process.join()
    return min(results)


def _report(sender: Any, function: Callable[..., object], args: tuple[object, ...]) -> None:
    start = time.perf_counter()
    action = function(*args)
    if callable(action):
        start = time.perf_counter()
        action()
    seconds = time.perf_counter() - start
    sender.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))


def write_tile(root: Path, count: int) -> list[str]:
    """Write `count` patches of incompressible pixels below ``root/<kind>``; returns their ids."""
    writers = {}
    for kind, name in KINDS.items():
        (root / name).mkdir(parents=True)
        writers[kind] = PatchWriter(root / name)
    s2 = {b: template(Profile(GRID.epsg, 1200 // res, res)) for b, res in RESOLUTION_M.items()}
    s1 = template(Profile(GRID.epsg, 120, 10, "float32", nodata=None))
    maps = template(Profile(GRID.epsg, 120, 10, nodata=None, deflate=True))
    rng = np.random.default_rng(0)
    ids = []
    for i in range(count):
        col, row = divmod(i, GRID.count)
        at = GRID.corner(col, row)
        ids.append(patch_id(TILE, col, row))
        pixels = rng.integers(1, 4000, 14400, dtype="uint16").data
        backscatter = rng.random(14400, dtype="float32").data
        codes = (
            rng.choice(np.array([211, 312, 999], "uint16"), (12, 12)).repeat(10, 0).repeat(10, 1)
        )
        bands = [
            (band, [s2[band].at(*at), pixels[: (1200 // resolution_m) ** 2]])
            for band, resolution_m in RESOLUTION_M.items()
        ]
        writers["s2"].add_row(row, [(ids[-1], bands)])
        writers["s1"].add_row(
            row, [(s1_name(col, row), [(band, [s1.at(*at), backscatter]) for band in S1_BANDS])]
        )
        deflated = maps.deflated(*at, codes)
        writers["reference_maps"].add_row(row, [(ids[-1], [("reference_map", [deflated])])])
    return ids


def s1_name(col: int, row: int) -> str:
    """The Sentinel-1 patch beside a patch."""
    return f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{col}_{row}"


def encode_shard(kind: str, root: Path, out: Path, threads: int) -> None:
    """What the rule encode_tile does."""
    encode.encode(encode.sources_in_folder(kind, str(root), 1200), str(out), threads)


def encode_naively(root: Path, out: Path, count: int) -> None:
    """Open each file with rasterio, put what safetensors makes of them into LMDB."""
    with lmdb.open(str(out), map_size=1 << 34) as env:
        for patch in sorted(folder.name for folder in root.iterdir())[:count]:
            arrays = {band: read_band(root, patch, band) for band in S2_BANDS}
            with env.begin(write=True) as txn:
                txn.put(patch.encode(), save(arrays))


def read_band(root: Path, patch: str, band: str) -> np.ndarray:
    """One band as rasterio reads it."""
    with rasterio.open(f"{root}/{patch}/{patch}_{band}.tif") as dataset:
        return dataset.read(1)  # type: ignore[no-any-return]


def write_tables(folder: Path, ids: list[str]) -> None:
    """Metadata and Sentinel-1 pairs that list all of the tile."""
    cells = [divmod(i, GRID.count) for i in range(len(ids))]
    frame = pl.DataFrame({"patch_id": ids, "s1_name": [s1_name(*cell) for cell in cells]})
    rest = [pl.lit(None).alias(name) for name in METADATA.names if name not in frame.columns]
    metadata = frame.with_columns(rest).with_columns(labels=pl.lit(["Pastures"]))
    write_table(folder / "metadata.parquet", metadata, METADATA)
    write_table(folder / "pairs.parquet", frame.with_columns(folder="s1_name"), SENTINEL1)


def build(pairs: Path, shards: dict[str, Path], out: Path) -> Callable[[], object]:
    """What the rule build_lmdb does once it has read its tables."""
    shutil.rmtree(out, ignore_errors=True)
    patches = read_table(pairs, SENTINEL1).select("patch_id", "s1_name")
    by_tile = {kind: {TILE: path} for kind, path in shards.items()}
    return lambda: build_lmdb.build(patches, by_tile, out)


def copy_and_sync(shards: dict[str, Path], out: Path) -> Callable[[], object]:
    """The floor of `build`."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()

    def action() -> None:
        for kind, path in shards.items():
            subprocess.run(["cp", "-r", path, out / kind], check=True)
        os.sync()

    return action


def read_lmdb(metadata: Path, store: Path, order: list[int]) -> Callable[[], object]:
    """Random reads as a training would, from a data set that is open."""
    patches = BigEarthNet(metadata, store)

    def action() -> None:
        for i in order:
            patches[i]

    return action


def read_naively(root: Path, ids: list[str]) -> None:
    """The same from GeoTIFFs with rasterio, resampled by the same code."""
    for patch in ids:
        image = np.empty((len(S2_BANDS), 120, 120), "uint16")
        for i, band in enumerate(S2_BANDS):
            pixels = read_band(root, patch, band)[np.newaxis]
            repeat_pixels(pixels, image[i : i + 1], 120 // pixels.shape[1])


def rows(scratch: Path, count: int = 2000, threads: int = 2) -> list[Row]:
    """Measure everything on `count` patches written below `scratch`, an empty folder."""
    ids = write_tile(scratch, count)
    naive_count = min(count, 500)
    naive = measured(encode_naively, scratch / "patches", scratch / "naive", naive_count)
    found = [_row("encode naively: rasterio, safetensors, LMDB", naive_count, naive)]
    shards = {kind: scratch / kind / f"{TILE}.lmdb" for kind in KINDS}
    for kind, name in KINDS.items():
        result = measured(encode_shard, kind, scratch / name, shards[kind], threads, tries=3)
        floor = found[0] if kind == "s2" else None
        found.append(_row(f"encode_tile, {name}", count, result, floor))

    write_tables(scratch, ids)
    result = measured(copy_and_sync, shards, scratch / "cp", tries=3)
    copied = _row("cp of the shards, sync", count, result)
    shutil.rmtree(scratch / "cp")
    store = scratch / "BigEarthNet.lmdb"
    result = measured(build, scratch / "pairs.parquet", shards, store, tries=3)
    found += [copied, _row("build_lmdb", count, result, copied)]

    order = random.Random(0).sample(range(count), count)
    picked = [ids[i] for i in order[:naive_count]]
    result = measured(read_naively, scratch / "patches", picked)
    files = _row("random reads of GeoTIFFs with rasterio", naive_count, result)
    result = measured(read_lmdb, scratch / "metadata.parquet", store, order)
    found += [files, _row("random reads of the LMDB", count, result, files)]
    return found


def _row(step: str, count: int, result: tuple[float, float], floor: Row | None = None) -> Row:
    seconds, peak_mb = result
    speed = count / seconds
    ratio = speed / floor.per_second if floor else None
    return Row(step, seconds, speed, ratio, floor.step if floor else "", peak_mb)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="reben-bench-") as folder:
        for row in rows(Path(folder), *map(int, sys.argv[1:2])):
            times = f"{row.ratio:6.2f} x {row.floor}" if row.ratio else ""
            print(f"{row.step:45} {row.seconds:7.2f} s {row.per_second:8.0f}/s "
                  f"{row.peak_mb:6.0f} MB {times}")  # fmt: skip
