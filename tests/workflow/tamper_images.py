"""Tampering with GeoTIFFs, shards and the LMDB.

Each function changes the results and returns the start of the finding from the content checks.
"""

import shutil
import struct
from pathlib import Path

import lmdb
import numpy as np
import rasterio
from safetensors.numpy import load, save

from tests.workflow.edits import FIRST, LMDB, entry, exchange, flip, metadata, put, tiff


def geotiff(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    flip(tiff(results, patch, "B05"))
    return f"patches/{FIRST}/{patch}: the entry {patch!r} differs in B05 from encoded/s2/"


def bands(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    exchange(tiff(results, patch, "B02"), tiff(results, patch, "B03"))
    return f"patches/{FIRST}/{patch}: the entry {patch!r} differs in B02 B03 from encoded/s2/"


def crs(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<H", 32633), struct.pack("<H", 32632), 1))
    return f"{path.relative_to(results)}: CRS: expected EPSG:32633, found EPSG:32632"


def tie_point(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = rasterio.Affine(10, 0, 0, 0, -10, 0)
    return f"{path.relative_to(results)}: transform: expected (10.0, 0.0, "


def nodata(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = 7
    return f"{path.relative_to(results)}: nodata: expected 0, found 7"


def trailing(results: Path) -> str:
    path = tiff(results, metadata(results)["patch_id"][0], "B02")
    path.write_bytes(path.read_bytes() + b"hidden")
    return f"{path.relative_to(results)}: tags or bytes that no build writes"


def added_layer(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    shutil.copy(tiff(results, patch, "B02"), tiff(results, patch, "B10"))
    return f"patches/{FIRST}: {patch}_B10.tif is in the audit but not a layer"


def misplaced(results: Path) -> str:
    one, other = metadata(results)["patch_id"][:2]
    path = tiff(results, other, "B01").with_name(f"{one}_B01.tif")
    shutil.copy(tiff(results, one, "B01"), path)
    return f"{path.relative_to(results)}: is not in the folder of its patch"


def empty_folder(results: Path) -> str:
    (results / f"patches/{FIRST}/{FIRST}_99_99").mkdir()
    return f"patches/{FIRST}/{FIRST}_99_99: is empty; no patch of that name was audited"


def whole_patch(results: Path) -> str:
    one, other = metadata(results)["patch_id"][:2]
    for path in (results / f"patches/{FIRST}/{one}").iterdir():
        exchange(path, tiff(results, other, path.stem.rpartition("_")[2]))
    return f"patches/{FIRST}/{one}: the entry {one!r} differs in B01 "


def reference_map(results: Path) -> str:
    one, other = metadata(results).unique("labels", maintain_order=True)["patch_id"][:2]
    shutil.copy(tiff(results, other, "reference_map"), tiff(results, one, "reference_map"))
    key = f"{one}_reference_map"
    return f"reference_maps/{FIRST}/{one}: the entry {key!r} differs in Data from encoded/"


def one_pixel_of_a_map_everywhere(results: Path) -> str:
    """In GeoTIFF, shard and LMDB; only the land cover reveals it."""
    patch = metadata(results)["patch_id"][0]
    path, key = tiff(results, patch, "reference_map"), f"{patch}_reference_map"
    with rasterio.open(path) as dataset:
        profile, pixels = dataset.profile, dataset.read(1)
    pixels[0, 0] = 111 if pixels[0, 0] != 111 else 112
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels, 1)
    for store in (LMDB, f"encoded/reference_maps/{FIRST}.lmdb"):
        put(results / store, key, save({"Data": pixels}))
    return f"reference_maps/{FIRST}/{patch}: {key}: 1 of 14400 pixels are not what the land cover"


def nodata_everywhere(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    data = bytearray(tiff(results, patch, "B03").read_bytes())
    data[-2:] = b"\0\0"
    tiff(results, patch, "B03").write_bytes(data)
    for store in (LMDB, f"encoded/s2/{FIRST}.lmdb"):
        value = {name: array.copy() for name, array in load(entry(results / store, patch)).items()}
        value["B03"][-1, -1] = 0
        put(results / store, patch, save(value))
    return f"encoded/s2/{FIRST}.lmdb: {patch}: expected a valid patch, found nodata in B03"


def shard_byte(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    path = results / f"encoded/s2/{FIRST}.lmdb"
    value = bytearray(entry(path, patch))
    data = bytearray((path / "data.mdb").read_bytes())
    data[data.find(bytes(value[-2000:])) + 1999] ^= 1
    (path / "data.mdb").write_bytes(data)
    return f"encoded/s2/{FIRST}.lmdb: the entry {patch!r} differs in B8A from patches/"


def shard_byte_order(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    store = results / f"encoded/s2/{FIRST}.lmdb"
    put(store, patch, save({k: v.byteswap() for k, v in load(entry(store, patch)).items()}))
    return f"encoded/s2/{FIRST}.lmdb: the entry {patch!r} differs in B01 B02 "


def shard_extra_key(results: Path) -> str:
    put(results / f"encoded/s2/{FIRST}.lmdb", "zebra", b"x")
    return f"encoded/s2/{FIRST}.lmdb: the entry 'zebra' belongs to no patch of the tile"


def lmdb_byte(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    path = results / LMDB / "data.mdb"
    data = bytearray(path.read_bytes())
    data[data.find(bytes(entry(results / LMDB, patch)[-2000:])) + 1999] ^= 1
    path.write_bytes(data)
    return f"{LMDB}: the entry {patch!r} differs in B8A from patches/"


def lmdb_other_key(results: Path) -> str:
    one, other = metadata(results)["patch_id"][:2]
    put(results / LMDB, one, entry(results / LMDB, other))
    return f"{LMDB}: the entry {one!r} differs in B01 "


def lmdb_extra_key(results: Path) -> str:
    put(results / LMDB, "zebra", b"x")
    return f"{LMDB}: the entry 'zebra' belongs to no row of the metadata"


def lmdb_odd_key(results: Path) -> str:
    store = lmdb.open(str(results / LMDB), map_size=1 << 30, lock=False)
    with store as env, env.begin(write=True) as txn:
        txn.put(b"\xff\xfe", b"x")
    return f"{LMDB}: the entry '\\\\xff\\\\xfe' belongs to no row of the metadata"


def lmdb_missing_key(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    put(results / LMDB, patch, None)
    return f"{LMDB}: the entry {patch!r} is missing but listed in the metadata"


def lmdb_shape(results: Path) -> str:
    patch = metadata(results)["patch_id"][0]
    put(results / LMDB, patch, save({"B01": np.zeros((20, 20), np.uint16)}))
    return f"{LMDB}: the entry {patch!r}: expected {{'B01': ((20, 20), 'uint16')"


def lmdb_sentinel1_everywhere(results: Path) -> str:
    """In shard and LMDB; only the Sentinel-1 folder reveals it."""
    name = metadata(results)["s1_name"][0]
    value = save({k: v + 1 for k, v in load(entry(results / LMDB, name)).items()})
    for store in (LMDB, f"encoded/s1/{FIRST}.lmdb"):
        put(results / store, name, value)
    folder = f"inputs/BigEarthNet-S1/{name.rsplit('_', 3)[0]}/{name}"
    return f"{folder}: the entry {name!r} differs in VH VV from encoded/s1/"


def lmdb_trailing(results: Path) -> str:
    with (results / LMDB / "data.mdb").open("ab") as file:
        file.write(b"hidden")
    return f"{LMDB}/data.mdb: has 6 bytes after its last page"


ALL = [
    geotiff, bands, crs, tie_point, nodata, trailing, added_layer, misplaced, empty_folder,
    whole_patch, reference_map, one_pixel_of_a_map_everywhere, nodata_everywhere, shard_byte,
    shard_byte_order, shard_extra_key, lmdb_byte, lmdb_other_key, lmdb_extra_key, lmdb_odd_key,
    lmdb_missing_key, lmdb_shape, lmdb_sentinel1_everywhere, lmdb_trailing,
]  # fmt: skip
