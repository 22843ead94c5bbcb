"""Compare the pixels of a build in all places: GeoTIFFs, shards and the LMDB.

An entry must be the same everywhere. GeoTIFFs must have the type and place that follow from
their name, and reference maps must match the tile's land cover.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from reben.domain.bands import NODATA, REFERENCE_MAP_M, RESOLUTION_M, S1_BANDS, S1_M, S2_BANDS
from reben.domain.grid import TileGrid
from reben.domain.names import REFERENCE_MAP, FileName, PatchName, entry_key, file_stem
from reben.domain.tables import SENTINEL1, read_table
from reben.encode import Encoder
from reben.land_cover.tile_codes import read_clip, tile_codes
from reben.results.layout import IMAGE_STAGES
from reben.runtime.errors import RebenError, StoreError
from reben.runtime.files import read_json
from reben.storage.geotiff_writer import Profile, gdal_options, template
from reben.storage.lmdb_store import read_lmdb
from reben.storage.patch_container import patch_reader
from reben.storage.patch_files import PatchReader
from reben.storage.safetensors_value import ValueLayout, header_of, tensors
from reben.verify.audited_build import AuditedBuild, Finding
from reben.verify.files import claimed_hashes

#: Patches whose GeoTIFFs are read at a time.
_BATCH = 64
#: Pixels of each code in a reference map: (patch_id, code, pixels).
Count = tuple[str, int, int]


@dataclass(frozen=True)
class Entry:
    """An entry: its key, its patch, its folder of GeoTIFFs, and whether the LMDB has it."""

    key: str
    patch: str
    folder: str
    kept: bool


def check_tile(
    build: AuditedBuild, tile: str, kept: Mapping[str, str | None], counts: list[Count]
) -> Iterator[Finding]:
    """All entries of a tile, or those of a few patches.

    Args:
        build: the build.
        tile: the tile.
        kept: Sentinel-1 name by patch, for the patches in the metadata.
        counts: collects the pixels of each code in each reference map.
    """
    patches: set[str] = set()
    claimed = {stage: set(claimed_hashes(build, tile, stage)) for stage in IMAGE_STAGES}
    for files in claimed.values():
        patches |= {name.patch for name in map(FileName.match, files) if name}
    for stage, layers in zip(IMAGE_STAGES, (S2_BANDS, (REFERENCE_MAP,)), strict=True):
        folder = build.layout.images(stage, tile)
        expected = {file_stem(patch, layer) for patch in patches for layer in layers}
        for name in sorted(expected - claimed[stage]):
            yield Finding(folder, f"{name}.tif is missing in the audit")
        for name in sorted(claimed[stage] - expected):
            yield Finding(folder, f"{name}.tif is in the audit but not a layer")
    names = build.pick(patches)
    entries = [Entry(name, name, name, name in kept) for name in names]
    yield from check_kind(build, tile, "s2", entries, counts)
    entries = [Entry(entry_key("reference_maps", n), n, n, n in kept) for n in names]
    yield from check_kind(build, tile, "reference_maps", entries, counts)
    if build.sentinel1_root:
        if (table := _pairs(build, tile)).is_file():
            pairs = read_table(table, SENTINEL1).rows()
        else:  # then the places of their GeoTIFFs are unknown
            pairs = [(patch, name, "") for patch, name in kept.items() if name]
        chosen = set(names)
        if build.cuts_sentinel1:  # then the folder of the tile is that of their reader
            pairs = [(patch, s1, s1) for patch, s1, _ in pairs]
        entries = [Entry(s1, p, f, p in kept) for p, s1, f in pairs if p in chosen]
        yield from check_kind(build, tile, "s1", entries, counts)


def check_kind(
    build: AuditedBuild, tile: str, kind: str, entries: Sequence[Entry], counts: list[Count]
) -> Iterator[Finding]:
    """The entries of one kind, in every place where they exist."""
    encoder = Encoder(kind, build.patch_side_m, build.min_valid_fraction)
    grid = build.grids.get(tile)
    shard_path, whole_path = build.layout.shard(kind, tile), build.layout.lmdb
    store = _store(build, tile, kind)
    raster = _raster(build, tile) if kind == "reference_maps" and entries else None
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        shard = whole = None
        try:
            if kind in build.kinds:
                whole = stack.enter_context(read_lmdb(whole_path))
            if shard_path.is_dir():
                shard = stack.enter_context(read_lmdb(shard_path))
        except StoreError as error:
            yield Finding(shard_path if whole else whole_path, str(error))
        whole_tile = build.sample is None and (kind != "s1" or _pairs(build, tile).is_file())
        if shard is not None and whole_tile:
            yield from _check_keys(shard, shard_path, {entry.key for entry in entries})
        for i in range(0, len(entries), _BATCH):
            batch = entries[i : i + _BATCH]
            tiffs = pool.map(lambda e: _encode(encoder, store, e), batch) if store else batch
            for entry, tiff in zip(batch, tiffs, strict=True):
                copies: dict[Path, bytes] = {}
                if isinstance(tiff, Finding):
                    yield tiff
                elif isinstance(tiff, bytes) and store:
                    copies[Path(store.root, entry.folder)] = tiff
                for path, txn in ((shard_path, shard), (whole_path, whole)):
                    if txn is None or (txn is whole and not entry.kept):
                        continue
                    value = txn.get(entry.key.encode())
                    if value is None and txn is shard:
                        yield Finding(path, f"the entry {entry.key!r} is missing")
                    elif value is not None:
                        copies[path] = bytes(value)
                yield from _check_layout(entry, copies, encoder.layout)
                yield from _check_copies(entry, copies, encoder.layout)
                if not copies:
                    continue
                value = Counter(copies.values()).most_common(1)[0][0]
                where = next(path for path, copy in copies.items() if copy == value)
                if len(value) != encoder.layout.nbytes:
                    continue
                if kind == "s2":
                    yield from _check_nodata(entry, where, value, encoder.layout)
                elif kind == "reference_maps":
                    yield from _check_map(build, entry, where, value, raster, counts)
            if store and grid and (kind != "s1" or build.cuts_sentinel1):
                for found in pool.map(lambda e: _check_place(build, kind, grid, store, e), batch):
                    yield from found


def _pairs(build: AuditedBuild, tile: str) -> Path:
    """The table of all Sentinel-1 patches of a tile, kept or not, and their folders."""
    return build.layout.sentinel1(tile)


def _store(build: AuditedBuild, tile: str, kind: str) -> PatchReader | None:
    """The reader of the GeoTIFFs of a kind; None if they are gone."""
    if kind == "s1" and not build.cuts_sentinel1:
        root = Path(build.config["sentinel1"]["root"])
        if not root.is_dir():
            build.note_absent(root, "entries of Sentinel-1 were not compared with it")
        has_places = _pairs(build, tile).is_file()
        return PatchReader(root) if root.is_dir() and has_places else None
    layout = build.layout
    folders = {"s2": layout.patches, "s1": layout.cut_sentinel1}
    root = folders.get(kind, layout.reference_maps)(tile)
    if kind == "s1" and not root.is_dir():  # of the others, the checks of their checksums say so
        build.note_absent(root)
    return patch_reader(root) if root.is_dir() else None


def _encode(encoder: Encoder, store: PatchReader, entry: Entry) -> bytes | Finding:
    try:
        return bytes(encoder.encode(store, entry.folder))
    except (RebenError, OSError) as error:
        return Finding(Path(store.root, entry.folder), f"no entry can be made of it: {error}")


def _check_keys(txn: Any, path: Path, wanted: set[str]) -> Iterator[Finding]:
    for key in txn.cursor().iternext(values=False):
        if (name := bytes(key).decode(errors="backslashreplace")) not in wanted:
            yield Finding(path, f"the entry {name!r} belongs to no patch of the tile")


def _check_layout(
    entry: Entry, copies: dict[Path, bytes], layout: ValueLayout
) -> Iterator[Finding]:
    for path, value in copies.items():
        if len(value) == layout.nbytes and value.startswith(layout.header):
            continue
        expected = {name: (t.shape, t.dtype.name) for name, t in layout.tensors.items()}
        try:
            there = tensors(header_of(value)).items()
            found = f"{ {name: (t.shape, t.dtype.name) for name, t in there} }"
        except (ValueError, KeyError, TypeError) as error:
            found = f"no valid safetensors ({error})"
        yield Finding(
            path, f"the entry {entry.key!r}: expected {expected} in {layout.nbytes} bytes, "
            f"found {found} in {len(value)}",
        )  # fmt: skip


def _check_copies(
    entry: Entry, copies: dict[Path, bytes], layout: ValueLayout
) -> Iterator[Finding]:
    """Compare an entry in several places; if two agree, the third is wrong."""
    if len(set(copies.values())) < 2:
        return
    value, votes = Counter(copies.values()).most_common(1)[0]
    for path, copy in copies.items():
        if votes > 1 and copy == value:
            continue
        others = ", ".join(str(other) for other, theirs in copies.items() if theirs != copy)
        layers = [
            name
            for name, t in layout.tensors.items()
            if copy[t.start : t.stop] != value[t.start : t.stop]
        ]
        what = f" in {' '.join(layers)}" if votes > 1 and layers else ""
        yield Finding(path, f"the entry {entry.key!r} differs{what} from {others}")


def _check_nodata(entry: Entry, path: Path, value: bytes, layout: ValueLayout) -> Iterator[Finding]:
    """Check that a valid patch has no nodata pixel."""
    for name, tensor in layout.tensors.items():
        pixels = np.frombuffer(value[tensor.start : tensor.stop], tensor.dtype)
        if (pixels == NODATA).any():
            yield Finding(path, f"{entry.patch}: expected a valid patch, found nodata in {name}")


def _check_map(
    build: AuditedBuild,
    entry: Entry,
    path: Path,
    value: bytes,
    raster: NDArray[np.uint16] | None,
    counts: list[Count],
) -> Iterator[Finding]:
    """Check a reference map against the tile's land cover; count its codes."""
    px = build.patch_side_m // REFERENCE_MAP_M
    codes = np.frombuffer(value[-2 * px * px :], "<u2").reshape(px, px)
    found, pixels = np.unique(codes, return_counts=True)
    if strange := sorted(set(found.tolist()) - build.codes):
        yield Finding(path, f"{entry.key}: {strange[0]} is not a code of its land cover")
        return
    counts += [(entry.patch, *pair) for pair in zip(found.tolist(), pixels.tolist(), strict=True)]
    if raster is not None:
        name = PatchName.parse(entry.patch)
        rows, cols = (slice(at * px, at * px + px) for at in (name.row, name.col))
        if apart := np.count_nonzero(raster[rows, cols] != codes):
            yield Finding(
                path,
                f"{entry.key}: {apart} of {codes.size} pixels are not what the land cover gives",
            )


def _raster(build: AuditedBuild, tile: str) -> NDArray[np.uint16] | None:
    """The tile's land cover as pixels; None if it is gone, or for a sample."""
    grid, manifest = build.grids.get(tile), build.layout.clip_manifest
    if build.sample is not None or grid is None:
        return None
    path = (
        build.layout.clip(read_json(manifest)["tiles"][tile]["clip"])
        if manifest.is_file()
        else manifest
    )
    if not path.is_file():
        build.note_absent(path, "reference maps were not made again")
        return None
    return tile_codes(read_clip(path, grid), grid)


def _check_place(
    build: AuditedBuild, kind: str, grid: TileGrid, store: PatchReader, entry: Entry
) -> list[Finding]:
    """Check the GeoTIFFs of a patch: type, place, and tags."""
    name = PatchName.parse(entry.patch)
    corner = grid.corner(name.col, name.row)
    layers = {"s2": RESOLUTION_M, "s1": dict.fromkeys(S1_BANDS, S1_M)}
    found = []
    for layer, resolution_m in layers.get(kind, {REFERENCE_MAP: REFERENCE_MAP_M}).items():
        size_px = grid.patch_px(resolution_m)
        profile = (
            Profile(grid.epsg, size_px, resolution_m, "float32", nodata=None)
            if kind == "s1"
            else Profile(grid.epsg, size_px, resolution_m, deflate=kind == "reference_maps")
        )
        form = template(profile)
        nbytes = np.dtype(profile.dtype).itemsize * size_px**2
        try:
            data = store.read(entry.folder, layer, 2 * nbytes + (16 << 20))
        except (RebenError, OSError):
            continue  # already reported
        header = bytearray(form.at(*corner))
        if profile.deflate:  # the length of its strip differs from file to file
            place = slice(form.byte_count_at, form.byte_count_at + 4)
            header[place] = data[place]
        length = len(data) if profile.deflate else len(header) + nbytes
        if data.startswith(header) and len(data) == length:
            continue
        path = Path(store.path(entry.folder, layer))
        problems = _differences(data, profile, corner)
        if not problems and build.manifest["software"]["gdal"] == rasterio.__gdal_version__:
            problems = ["tags or bytes that no build writes; type and place are correct"]
        found += [Finding(path, problem) for problem in problems]
    return found


def _differences(data: bytes, profile: Profile, corner: tuple[int, int]) -> list[str]:
    """Errors in a GeoTIFF's type and place."""
    options = gdal_options(profile)
    transform = rasterio.transform.from_origin(*corner, *[profile.resolution_m] * 2)
    if not data:  # rasterio would open it for writing
        return ["expected a GeoTIFF, found an empty file"]
    try:
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
            facts = {
                "CRS": (options["crs"], str(dataset.crs)),
                "transform": (tuple(transform)[:6], tuple(dataset.transform)[:6]),
                "nodata": (profile.nodata, dataset.nodata),
                "compression": (options.get("compress"), dataset.profile.get("compress")),
                "bands": (1, dataset.count),
            }
    except RasterioError as error:
        return [f"expected a GeoTIFF, found none ({error})"]
    return [
        f"{name}: expected {expected}, found {found}"
        for name, (expected, found) in facts.items()
        if expected != found
    ]


def check_clips(build: AuditedBuild) -> Iterator[Finding]:
    """Check the clips against their names, which contain a digest of their content."""
    manifest = build.layout.clip_manifest
    if not manifest.is_file():
        return  # already noted
    for tile, entry in read_json(manifest)["tiles"].items():
        path = build.layout.clip(entry["clip"])
        if tile in build.grids and path.is_file():
            digest = read_clip(path, build.grids[tile]).digest()
            if path.stem.rpartition("-")[2] != digest:
                yield Finding(path, f"its content has the digest {digest}, not the one in its name")
