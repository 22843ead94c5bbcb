"""Step digest_tile: compute the checksums of all outputs of a tile.

In: a tile's folders of GeoTIFFs and its shards. Out: for patches and reference maps a
table ``name,sha256``, sorted by name, in the format of the published build (its
tiff-hasher: the name is the file's, without ``.tif``); and a JSON with the digests of
these tables, of the shards, and of the product that the patches were cut from.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from reben.memory.record import Record
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import files_below, sha256_file, write_json, write_text
from reben.storage.lmdb_store import content_digest
from reben.storage.patch_container import patch_reader
from reben.storage.patch_tar import TarReader

log = logging.getLogger(__name__)

HEADER = "name,sha256"
_LINE = re.compile("[^,]+,[0-9a-f]{64}")
#: Files that a thread hashes at a time: enough that scheduling them costs nothing.
_BATCH = 256


def digest_all(digests: Mapping[str, Callable[[], str]], threads: int = 1) -> dict[str, str]:
    """Compute digests; by name, sorted by name.

    Args:
        digests: function that computes each digest, by name.
        threads: number of threads.
    """

    def work(names: Sequence[str]) -> list[tuple[str, str]]:
        return [(name, digests[name]()) for name in names]

    ordered = sorted(digests)
    batches = [ordered[i : i + _BATCH] for i in range(0, len(ordered), _BATCH)]
    with ThreadPoolExecutor(threads) as pool:
        return dict(pair for batch in pool.map(work, batches) for pair in batch)


def in_place(path: str) -> bool:
    """Whether a path below a tile's folder is that of a patch's GeoTIFF."""
    folder, _, name = path.rpartition("/")
    return name.endswith(".tif") and name.startswith(f"{folder}_")


def geotiffs(root: Path) -> dict[str, Callable[[], str]]:
    """Functions that compute the SHA-256 of each GeoTIFF of a tile, by name without ``.tif``."""
    store = patch_reader(root)
    if isinstance(store, TarReader):
        return store.hashes()
    paths = filter(in_place, files_below(root))
    return {Path(path).stem: partial(sha256_file, root / path) for path in paths}


def to_csv(hashes: dict[str, str]) -> str:
    """The table ``name,sha256`` with Unix line endings."""
    return "".join(f"{name},{value}\n" for name, value in [("name", "sha256"), *hashes.items()])


def read_csv(path: Path) -> dict[str, str]:
    """Read a table as written by `to_csv`.

    Raises:
        TableError: it is missing, has the wrong header, or a line is malformed.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: expected a table of checksums, found none: {error}") from error
    if header != HEADER:
        raise TableError(f"{path}: expected the header {HEADER!r}, found {header!r}")
    if strange := [line for line in lines if not _LINE.fullmatch(line)]:
        raise TableError(f"{path}: expected lines of {HEADER}, found {strange[0]!r}")
    return dict(line.split(",") for line in lines)


def digest_tree(root: Path, threads: int = 1) -> str:
    """One SHA-256 over the paths and contents of all files below `root`, as records have it."""
    hashes = {name: partial(sha256_file, root / name) for name in files_below(root)}
    return hashlib.sha256(to_csv(digest_all(hashes, threads)).encode()).hexdigest()


def digest_store(path: Path) -> dict[str, str]:
    """The digest of an LMDB's entries, and the digest of its file."""
    return {"content": content_digest(path), "data.mdb": sha256_file(path / "data.mdb")}


def main(argv: Sequence[str] | None = None) -> None:
    """Digest one tile."""
    parser = cli.parser(__doc__)
    parser.add_argument("--tile", required=True)
    parser.add_argument("--patches", type=Path, required=True, help="folder of GeoTIFFs")
    parser.add_argument("--reference-maps", type=Path, required=True, help="folder of GeoTIFFs")
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="LMDBs of the tile")
    parser.add_argument("--cut", type=Path, help="record of the patches, for the product's digest")
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", type=Path, required=True, help="digests (JSON)")
    parser.add_argument("--out-patches", type=Path, required=True, help="checksums (CSV)")
    parser.add_argument("--out-reference-maps", type=Path, required=True, help="checksums (CSV)")
    args = parser.parse_args(argv)

    digest: dict[str, Any] = {"tile": args.tile, "files": {}, "product": None}
    for stage, folder, table in (
        ("patches", args.patches, args.out_patches),
        ("reference_maps", args.reference_maps, args.out_reference_maps),
    ):
        hashes = digest_all(geotiffs(folder), args.threads)
        text = to_csv(hashes)
        write_text(table, text)
        digest[stage] = hashlib.sha256(text.encode()).hexdigest()
        digest["files"][stage] = len(hashes)
    # The kind of a shard is the name of its folder: <kind>/<tile>.lmdb.
    digest["shards"] = {shard.parent.name: digest_store(shard) for shard in args.shards}
    if args.cut and (record := Record.read(args.cut)):
        digest["product"] = record.sources["product"]["sha256"]  # what the patches were cut from
    write_json(args.out, digest)
    log.info("%s: %s", args.tile, ", ".join(f"{n} {k}" for k, n in digest["files"].items()))


if __name__ == "__main__":
    cli.run(main)
