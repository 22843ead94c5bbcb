"""Speed of encoding GeoTIFFs to the LMDB and reading arrays from it, compared with naive ways.

``python -m tests.benchmarks.bench_encode [patches]`` prints the rows as a table.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import rasterio
from safetensors.numpy import save

from reben import build_lmdb, encode
from reben.dataset import BigEarthNet
from reben.domain.bands import RESOLUTION_M, S1_BANDS, S2_BANDS
from reben.domain.grid import TileGrid
from reben.domain.names import patch_id
from reben.domain.tables import METADATA, read_table, write_table
from reben.storage.geotiff_writer import Profile, template
from reben.storage.patch_files import PatchWriter
from reben.storage.safetensors_value import repeat_pixels
from tests.benchmarks.harness import Action, Row, measured

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
GRID = TileGrid(32633, 300_000, 5_800_000, 109_800)
KINDS = {"s2": "patches", "s1": "sentinel1", "reference_maps": "reference_maps"}


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
        writers["s2"].add_patch(
            ids[-1],
            [(b, [s2[b].at(*at), pixels[: (1200 // r) ** 2]]) for b, r in RESOLUTION_M.items()],
        )
        backscatter = rng.random(14400, dtype="float32").data
        writers["s1"].add_patch(
            s1_name(col, row), [(b, [s1.at(*at), backscatter]) for b in S1_BANDS]
        )
        codes = (
            rng.choice(np.array([211, 312, 999], "uint16"), (12, 12)).repeat(10, 0).repeat(10, 1)
        )
        writers["reference_maps"].add_patch(
            ids[-1], [("reference_map", [maps.deflated(*at, codes)])]
        )
    return ids


def s1_name(col: int, row: int) -> str:
    """The Sentinel-1 patch paired with a patch."""
    return f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{col}_{row}"


def encode_shard(kind: str, root: Path, out: Path, threads: int) -> Action:
    """What the rules encode_... do."""
    return lambda: encode.encode(encode.sources_in_folder(kind, str(root), 1200), str(out), threads)


def encode_naively(root: Path, out: Path, count: int) -> Action:
    """Open each file with rasterio and write its safetensors to an LMDB."""

    def action() -> None:
        with lmdb.open(str(out), map_size=1 << 34) as env:
            for patch in sorted(folder.name for folder in root.iterdir())[:count]:
                arrays = {band: read_band(root, patch, band) for band in S2_BANDS}
                with env.begin(write=True) as txn:
                    txn.put(patch.encode(), save(arrays))

    return action


def read_band(root: Path, patch: str, band: str) -> np.ndarray:
    """One band as rasterio reads it."""
    with rasterio.open(f"{root}/{patch}/{patch}_{band}.tif") as dataset:
        return dataset.read(1)  # type: ignore[no-any-return]


def write_metadata(path: Path, ids: list[str]) -> pl.DataFrame:
    """A metadata table that lists all of the tile."""
    cells = [divmod(i, GRID.count) for i in range(len(ids))]
    frame = pl.DataFrame({"patch_id": ids, "s1_name": [s1_name(*cell) for cell in cells]})
    rest = [
        pl.lit(value=False if name.startswith("contains_") else None).alias(name)
        for name in METADATA.names
        if name not in frame.columns
    ]
    frame = frame.with_columns(rest).with_columns(labels=pl.lit(["Pastures"]))
    write_table(path, frame, METADATA)
    return frame


def build(metadata: Path, shards: dict[str, Path], out: Path) -> Action:
    """What the rule build_lmdb does."""
    shutil.rmtree(out, ignore_errors=True)
    frame = read_table(metadata, METADATA)
    return lambda: build_lmdb.build(frame, {k: {TILE: p} for k, p in shards.items()}, out)


def copy_and_sync(shards: dict[str, Path], out: Path) -> Action:
    """The floor of `build`."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()

    def action() -> None:
        for kind, path in shards.items():
            subprocess.run(["cp", "-r", path, out / kind], check=True)
        os.sync()

    return action


def read_lmdb(metadata: Path, store: Path, order: list[int]) -> Action:
    """Random reads as in training."""
    patches = BigEarthNet(metadata, store)

    def action() -> None:
        for i in order:
            patches[i]

    return action


def read_naively(root: Path, ids: list[str]) -> Action:
    """The same from GeoTIFFs with rasterio, resampled by the same code."""

    def action() -> None:
        for patch in ids:
            image = np.empty((len(S2_BANDS), 120, 120), "uint16")
            for i, band in enumerate(S2_BANDS):
                pixels = read_band(root, patch, band)[np.newaxis]
                repeat_pixels(pixels, image[i : i + 1], 120 // pixels.shape[1])

    return action


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
        found.append(_row(f"encode, {name}", count, result, floor))

    metadata = scratch / "metadata.parquet"
    write_metadata(metadata, ids)
    result = measured(copy_and_sync, shards, scratch / "cp", tries=3)
    copied = _row("cp of the shards, sync", count, result)
    shutil.rmtree(scratch / "cp")
    store = scratch / "BigEarthNet.lmdb"
    result = measured(build, metadata, shards, store, tries=3)
    found += [copied, _row("build_lmdb", count, result, copied)]

    order = random.Random(0).sample(range(count), count)
    picked = [ids[i] for i in order[:naive_count]]
    result = measured(read_naively, scratch / "patches", picked)
    files = _row("random reads of GeoTIFFs with rasterio", naive_count, result)
    result = measured(read_lmdb, metadata, store, order)
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
