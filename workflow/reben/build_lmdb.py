"""Step build_lmdb: gather the kept patches from the shards of all tiles.

In: selection and Sentinel-1 pairs, and the shards, ``<tile>.lmdb`` of each kind. Out: one LMDB
with the entries of their patches, of their Sentinel-1 patches and of their reference
maps, for the kinds whose shards are given. Keys are sorted across all kinds, so shards are
read and the LMDB is written sequentially.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from reben.domain.name_columns import tile_of_patch
from reben.domain.names import entry_key
from reben.domain.tables import SELECTION, SENTINEL1, read_table, read_tables
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import StoreError
from reben.runtime.files import check_space
from reben.storage.lmdb_store import read_lmdb, write_lmdb

log = logging.getLogger(__name__)

#: Entries copied before the shards are reopened. An open map keeps every page that was
#: read through it in memory.
_CHUNK = 250

Shards = Mapping[str, Mapping[str, Path]]


def shards_by_tile(paths: Sequence[str]) -> dict[str, Path]:
    """The shards of one kind by tile, the name of their folder."""
    return {Path(path).name.removesuffix(".lmdb"): Path(path) for path in paths}


def entries(patches: pl.DataFrame, kinds: Sequence[str]) -> pl.DataFrame:
    """The entries of `patches`, sorted by key.

    Args:
        patches: patch_id and s1_name (null if there is none).
        kinds: which of ``s2``, ``s1``, ``reference_maps``.

    Returns:
        Columns key, kind, tile (whose shard has the entry); one row per entry.
    """
    frames = [
        patches.select(
            key=pl.col("s1_name") if kind == "s1" else pl.format(entry_key(kind, "{}"), "patch_id"),
            kind=pl.lit(kind),
            tile=tile_of_patch(),
        )
        for kind in kinds
    ]
    # One Sentinel-1 patch may be paired with several patches of different times.
    return (
        pl.concat(frames)
        .drop_nulls("key")
        .sort("key", "tile")
        .unique("key", keep="first", maintain_order=True)
    )


def needed_bytes(wanted: pl.DataFrame, shards: Shards) -> int:
    """Estimated size of the LMDB of `wanted`, from the mean size of entries in each shard.

    Raises:
        StoreError: a shard is missing, unreadable, or has fewer entries than are wanted.
    """
    total = 0
    for kind, tile, count in wanted.group_by("kind", "tile").len().sort("kind", "tile").rows():
        path = shards[kind].get(tile)
        if path is None:
            raise StoreError(
                f"{tile}: {count} of its patches are kept, but there is no {kind} "
                f"shard {tile}.lmdb among those given"
            )
        with read_lmdb(path) as txn:
            there: int = txn.stat()["entries"]
        if there < count:
            raise StoreError(
                f"{path}: {count} of its entries are kept, but it has {there}; make the shard again"
            )
        total += (path / "data.mdb").stat().st_size * count // there
    return total


def build(patches: pl.DataFrame, shards: Shards, out: str | os.PathLike[str]) -> int:
    """Copy the entries of `patches` (patch_id, s1_name); returns their number.

    Raises:
        StoreError: a shard is missing or lacks an entry.
        SpaceError: the disk has no room for them.
    """
    wanted = entries(patches, [kind for kind, paths in shards.items() if paths])
    parent = Path(out).resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    check_space(parent, needed_bytes(wanted, shards), "the LMDB")
    with write_lmdb(out) as writer:
        for chunk in wanted.iter_slices(_CHUNK):
            with ExitStack() as stack:
                opened = {
                    (kind, tile): stack.enter_context(read_lmdb(shards[kind][tile]))
                    for kind, tile in chunk.select("kind", "tile").unique().rows()
                }
                for key, kind, tile in chunk.rows():
                    value = opened[kind, tile].get(key.encode())
                    if value is None:
                        raise StoreError(
                            f"{shards[kind][tile]}: the entry {key!r} of a kept "
                            "patch is missing; make the shard again"
                        )
                    writer.put(key, value)
        return writer.entries


def main(argv: Sequence[str] | None = None) -> None:
    """Build one LMDB."""
    parser = cli.parser(__doc__)
    parser.add_argument("--selection", required=True, help="which patches are kept (Parquet)")
    parser.add_argument(
        "--pairs", nargs="*", action=TilePaths, default=[], help="Sentinel-1 pairs of all tiles"
    )
    parser.add_argument(
        "--s2", nargs="+", action=TilePaths, default=[], help="shards of Sentinel-2"
    )
    parser.add_argument(
        "--s1", nargs="+", action=TilePaths, default=[], help="shards of Sentinel-1"
    )
    parser.add_argument(
        "--reference-maps", nargs="+", action=TilePaths, default=[], help="shards of reference maps"
    )
    parser.add_argument("--out", required=True, help="folder of the LMDB")
    args = parser.parse_args(argv)
    if not (args.s2 or args.s1 or args.reference_maps):
        parser.error("give the shards of at least one kind")

    shards = {
        "s2": shards_by_tile(args.s2),
        "s1": shards_by_tile(args.s1),
        "reference_maps": shards_by_tile(args.reference_maps),
    }
    kept = read_table(args.selection, SELECTION).filter(pl.col("dropped_for").is_null())
    pairs = read_tables(args.pairs, SENTINEL1)
    patches = kept.join(pairs, on="patch_id", how="left").select("patch_id", "s1_name")
    count = build(patches, shards, args.out)
    log.info("%s: %d entries of %d patches", args.out, count, len(patches))


if __name__ == "__main__":
    cli.run(main)
