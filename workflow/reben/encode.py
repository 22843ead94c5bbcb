r"""Steps encode_sentinel2, encode_sentinel1 and encode_reference_maps: GeoTIFFs into an LMDB.

In: folders of GeoTIFFs; for the shard of a tile's imagery, the table that lists them. Out: an
LMDB with one entry per patch, sorted by key; the value is a safetensors of its layers in
native resolution. Stand-alone, it turns the published download into the published LMDB::

    python -m reben.encode --s2 BigEarthNet-S2 --s1 BigEarthNet-S1 \
        --reference-maps Reference_Maps --metadata metadata.parquet \
        metadata_for_patches_with_snow_cloud_or_shadow.parquet --out BigEarthNet.lmdb

A download that was extracted in part has folders of one kind that lack those of another: these are
named, and with ``--metadata`` nothing may be missing.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

from reben.domain.bands import PATCH_SIDE_M, REFERENCE_MAP_M, RESOLUTION_M, S1_BANDS, S1_M
from reben.domain.names import ENTRY_KINDS, REFERENCE_MAP, entry_key
from reben.domain.tables import PATCHES, SENTINEL1, read_table
from reben.runtime import cli
from reben.runtime.errors import RasterError, StoreError
from reben.storage.completeness import check_complete
from reben.storage.geotiff_reader import LayerReader
from reben.storage.lmdb_store import write_lmdb
from reben.storage.patch_container import PatchFinder, patch_readers
from reben.storage.patch_files import PatchReader
from reben.storage.pixel_check import flaw
from reben.storage.safetensors_value import ValueLayout

log = logging.getLogger(__name__)

#: Patches that a thread reads at a time: enough that scheduling them costs nothing.
_BATCH = 16


class Encoder:
    """Makes the values of one kind of patch; thread-safe.

    Args:
        kind: ``s2``, ``s1`` or ``reference_maps``.
        patch_side_m: side of a patch, metres.
        min_valid_fraction: of the pixels of a Sentinel-1 patch; its others may be NaN.
    """

    def __init__(self, kind: str, patch_side_m: int, min_valid_fraction: float = 1.0) -> None:
        if kind == "s2":
            layers = {b: (b, patch_side_m // res, "uint16") for b, res in RESOLUTION_M.items()}
        elif kind == "s1":
            layers = {b: (b, patch_side_m // S1_M, "float32") for b in S1_BANDS}
        else:
            layers = {"Data": (REFERENCE_MAP, patch_side_m // REFERENCE_MAP_M, "uint16")}
        self.layout = ValueLayout.of({name: (px, dtype) for name, (_, px, dtype) in layers.items()})
        places = self.layout.tensors
        self.kind, self._min_valid_fraction = kind, min_valid_fraction
        self._layers = [
            (layer, slice(places[name].start, places[name].stop), LayerReader(px, dtype))
            for name, (layer, px, dtype) in layers.items()
        ]

    def encode(self, store: PatchReader, folder: str) -> bytearray:
        """The value of the patch in `folder`.

        Raises:
            RasterError: one of its files is missing, damaged, has the wrong size or type, or has
                pixels that its kind cannot have.
        """
        value = self.layout.new()
        view = memoryview(value)
        for layer, place, reader in self._layers:
            reader.read(store, folder, layer, view[place])
            pixels = np.frombuffer(view[place], reader.dtype)
            square = pixels.reshape(reader.size_px, -1)
            if found := flaw(self.kind, square, self._min_valid_fraction):
                raise RasterError(f"{store.path(folder, layer)}: {found}; fetch or make it again")
        return value


@dataclass(frozen=True, slots=True)
class Source:
    """The GeoTIFFs of one entry: its key, their reader, and their folder in the store."""

    key: str
    encoder: Encoder
    store: PatchReader
    folder: str

    def value(self) -> tuple[str, bytearray]:
        """Read and encode them."""
        return self.key, self.encoder.encode(self.store, self.folder)


def sources_in_table(
    kind: str, root: str, table: str, patch_side_m: int, min_valid_fraction: float = 1.0
) -> list[Source]:
    """The sources that a tile's table lists.

    Args:
        kind: ``s2`` (the valid patches of `tables.PATCHES`) or ``s1`` (all of
            `tables.SENTINEL1`).
        root: folder of the patches.
        table: path of the table.
        patch_side_m: side of a patch, metres.
        min_valid_fraction: see `Encoder`.
    """
    if kind == "s1":
        rows = read_table(table, SENTINEL1).select("s1_name", "folder").unique()
    else:
        rows = read_table(table, PATCHES).filter("valid").select("patch_id", folder="patch_id")
    encoder, stores = Encoder(kind, patch_side_m, min_valid_fraction), PatchFinder(root)
    return [
        Source(entry_key(kind, patch), encoder, *stores.find(folder))
        for patch, folder in rows.rows()
    ]


def sources_in_folder(kind: str, root: str, patch_side_m: int) -> list[Source]:
    """All patches below `root`: ``<root>/<tile or scene>/<patch>/``, or ``<root>/<patch>/``.

    The patches of ``<root>`` or ``<root>/<tile>`` may be in a tar (`reben.storage.patch_tar`).
    """
    encoder = Encoder(kind, patch_side_m)
    return [
        Source(entry_key(kind, folder.rpartition("/")[2]), encoder, store, folder)
        for store in patch_readers(root)
        for folder in store.folders()
    ]


def encode(sources: Iterable[Source], out: str, threads: int) -> int:
    """Write the LMDB of `sources`; returns the number of entries.

    Args:
        sources: in any order.
        out: folder of the LMDB.
        threads: number of reading threads, while the calling one writes; 1 alternates.

    Raises:
        RasterError: a file is missing or not as expected.
        StoreError: two patches have the same key.
    """
    ordered = sorted(sources, key=lambda source: source.key)
    for one, other in pairwise(ordered):
        if one.key == other.key:
            raise StoreError(
                f"{one.key}: expected one folder of this patch, found {one.store.root}/"
                f"{one.folder} and {other.store.root}/{other.folder}; leave one of them out"
            )
    with write_lmdb(out) as writer:
        for key, value in _encoded(ordered, threads):
            writer.put(key, value)
        return writer.entries


def _encoded(sources: Sequence[Source], threads: int) -> Iterator[tuple[str, bytearray]]:
    """The entries of `sources`, in their order, never more than a few batches ahead."""
    batches = (sources[i : i + _BATCH] for i in range(0, len(sources), _BATCH))
    if threads == 1:
        for source in sources:
            yield source.value()
        return
    with ThreadPoolExecutor(threads) as pool:
        running = deque(pool.submit(_values, batch) for batch in islice(batches, 2 * threads))
        while running:
            yield from running.popleft().result()
            running.extend(pool.submit(_values, batch) for batch in islice(batches, 1))


def _values(sources: Sequence[Source]) -> list[tuple[str, bytearray]]:
    return [source.value() for source in sources]


def main(argv: Sequence[str] | None = None) -> None:
    """Encode a tile's shard, or folders of GeoTIFFs."""
    parser = cli.parser(
        __doc__,
        example="--s2 BigEarthNet-S2 --reference-maps Reference_Maps --out BigEarthNet.lmdb",
    )
    tile = parser.add_argument_group("shard of a tile")
    tile.add_argument("--kind", choices=ENTRY_KINDS, help="kind of the entries")
    tile.add_argument("--root", help="folder of the patches")
    tile.add_argument(
        "--table",
        help="table of the patches (s2) or Sentinel-1 patches (s1)",
    )
    alone = parser.add_argument_group("stand-alone, any of these")
    alone.add_argument("--s2", help="BigEarthNet-S2 folder")
    alone.add_argument("--s1", help="BigEarthNet-S1 folder")
    alone.add_argument("--reference-maps", help="Reference_Maps folder")
    alone.add_argument(
        "--metadata",
        nargs="+",
        default=[],
        help="metadata tables: every patch in them must be there, with all that is given here",
    )
    parser.add_argument("--patch-side-m", type=int, default=PATCH_SIDE_M, help="metres")
    parser.add_argument(
        "--min-valid-fraction",
        type=cli.share,
        default=1.0,
        help="of the pixels of a Sentinel-1 patch; its others may be NaN",
    )
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", required=True, help="folder of the LMDB")
    args = parser.parse_args(argv)

    folders = {"s2": args.s2, "s1": args.s1, "reference_maps": args.reference_maps}
    given = {kind: root for kind, root in folders.items() if root}
    if bool(given) == bool(args.kind) or bool(args.kind) != bool(args.root):
        parser.error("pass either --kind and --root, or some of --s2 --s1 --reference-maps")
    if (args.kind in ("s2", "s1")) != bool(args.table):
        parser.error("--table is required with --kind s2 and s1, and not allowed otherwise")
    if args.metadata and not given:
        parser.error("--metadata goes with --s2, --s1 and --reference-maps")
    if args.table:
        sources = sources_in_table(
            args.kind, args.root, args.table, args.patch_side_m, args.min_valid_fraction
        )
    elif args.kind:
        sources = sources_in_folder(args.kind, args.root, args.patch_side_m)
    else:
        sources = []
        found = {}
        for kind, root in given.items():
            of_kind = sources_in_folder(kind, root, args.patch_side_m)
            if not of_kind:
                raise StoreError(
                    f"{root}: expected folders <tile>/<patch> or <patch>, the patch's name "
                    "ending in _<column>_<row>; found none"
                )
            found[kind] = [source.folder.rpartition("/")[2] for source in of_kind]
            sources += of_kind
        check_complete(found, args.metadata)
    entries = encode(sources, args.out, args.threads)
    log.info("%s: %d entries", args.out, entries)


if __name__ == "__main__":
    cli.run(main)
