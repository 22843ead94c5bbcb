"""The digests of every class of outputs, for the manifest and for those who check it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reben.audit.digests import HEADER, LAYERS, digest_store
from reben.files import atomic_file, read_json, sha256_file, write_text

#: Checksums of all GeoTIFFs, by class; the names are those of the published build.
HASH_FILES = {"patches": "patch_hashes.csv", "reference_maps": "reference_maps_hashes.csv"}
MANIFEST = "manifest.json"
TILES = "tiles"
LMDB = "dataset/BigEarthNet.lmdb"


def gather_hashes(audit: Path, tiles: Sequence[str], layer: str) -> str:
    """Join the tables of all tiles; returns the SHA-256 of the whole.

    Names start with their tile and tiles have names of one length, so that in the order
    of tiles all names are sorted.
    """
    out = audit / HASH_FILES[layer]
    with atomic_file(out) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{HEADER}\n")
        for tile in sorted(tiles):
            text = (audit / TILES / f"{tile}.{layer}.csv").read_text(encoding="utf-8")
            file.write(text.removeprefix(f"{HEADER}\n"))
    digest = sha256_file(out)
    # Without a line end, as the published build has it.
    write_text(out.with_name(f"{out.name}.sha256"), digest)
    return digest


def output_digests(results: Path, tiles: Sequence[str]) -> dict[str, Any]:
    """The digests of every class of outputs: of each tile, and over all.

    Returns:
        ``tiles`` by name, ``files`` (tables by path below the results), ``lmdb``, and
        ``global``, one digest for each class.
    """
    audit = results / "audit"
    by_tile = {tile: read_json(audit / TILES / f"{tile}.json") for tile in sorted(tiles)}
    tables = [
        path
        for folder in ("tables", "dataset", "corine", "quality")
        for path in sorted((results / folder).rglob("*"))
        if path.suffix in {".parquet", ".csv", ".json"}
    ]
    files = {path.relative_to(results).as_posix(): sha256_file(path) for path in tables}
    lmdb = digest_store(results / LMDB)
    whole = {layer: gather_hashes(audit, tiles, layer) for layer in LAYERS}
    whole["tables"] = digest_of(files)
    whole["shards"] = digest_of({tile: entry["shards"] for tile, entry in by_tile.items()})
    whole["lmdb"] = lmdb["content"]
    return {"tiles": by_tile, "files": files, "lmdb": lmdb, "global": whole}


def digest_of(value: Any) -> str:
    """The SHA-256 of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
