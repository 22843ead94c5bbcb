"""The digests of every class of outputs, for the manifest and for those who check it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reben.audit.digests import HEADER, LAYERS, digest_store
from reben.domain.tables import OBSCURED_TABLE
from reben.runtime.files import atomic_file, read_json, sha256_file, write_text

#: Checksums of all GeoTIFFs, by class; the names are those of the published build.
HASH_FILES = {"patches": "patch_hashes.csv", "reference_maps": "reference_maps_hashes.csv"}
MANIFEST = "manifest.json"
TILES = "tiles"
#: Copy of the nomenclature, so that labels can be derived again wherever the results lie.
NOMENCLATURE = "nomenclature.csv"
LMDB = "dataset/BigEarthNet.lmdb"
CLEAR_TABLE = "metadata.parquet"
DATASET_TABLES = (CLEAR_TABLE, OBSCURED_TABLE, "class_counts.csv", "funnel.csv", "quality.csv")


def gather_hashes(audit: Path, tiles: Sequence[str], layer: str) -> None:
    """Join the checksums of all tiles into one table, with its SHA-256 beside it.

    Names start with their tile and tiles have names of one length, so that in the order
    of tiles all names are sorted.
    """
    out = audit / HASH_FILES[layer]
    with atomic_file(out) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{HEADER}\n")
        for tile in sorted(tiles):
            text = (audit / TILES / f"{tile}.{layer}.csv").read_text(encoding="utf-8")
            file.write(text.removeprefix(f"{HEADER}\n"))
    # Without a line end, as the published build has it.
    write_text(out.with_name(f"{out.name}.sha256"), sha256_file(out))


def table_paths(results: Path, config: dict[str, Any], tiles: Sequence[str]) -> list[str]:
    """The tables of a build with this configuration, below the results; sorted.

    What else lies there is no part of it: catalogue entries, and tables of products that
    were taken out.
    """
    optional = {
        "countries": config["countries"]["path"],
        "alignment": config["alignment"]["pairs"],
        "sentinel1_index": config["sentinel1"]["root"],
    }
    once = ["selection", "snow_cloud", *(k for k, v in optional.items() if v)]
    by_tile = ["patches", "code_counts", "labels", "split"]
    by_tile += ["sentinel1"] if config["sentinel1"]["root"] else []
    clips = results / "corine/manifest.json"
    entries = read_json(clips)["tiles"] if clips.is_file() else {}
    return sorted(
        [
            *(f"dataset/{name}" for name in DATASET_TABLES),
            *(f"tables/{name}.parquet" for name in once),
            *(f"tables/{kind}/{tile}.parquet" for kind in by_tile for tile in tiles),
            *(f"quality/{tile}.json" for tile in tiles),
            "corine/manifest.json",
            *(f"corine/{entry['clip']}" for entry in entries.values()),
        ]
    )


def output_digests(results: Path, config: dict[str, Any], tiles: Sequence[str]) -> dict[str, Any]:
    """The digests of every class of outputs: of each tile, and over all.

    Returns:
        ``tiles`` by name, ``files`` (tables by path below the results), ``lmdb``, and
        ``global``, one digest for each class.
    """
    audit = results / "audit"
    by_tile = {tile: read_json(audit / TILES / f"{tile}.json") for tile in sorted(tiles)}
    tables = table_paths(results, config, tiles)
    files = {name: sha256_file(results / name) for name in tables if (results / name).is_file()}
    lmdb = digest_store(results / LMDB)
    for layer in LAYERS:
        gather_hashes(audit, tiles, layer)
    parts = {"tiles": by_tile, "files": files, "lmdb": lmdb}
    return parts | {"global": global_digests(audit, parts)}


def global_digests(audit: Path, parts: dict[str, Any]) -> dict[str, str]:
    """One digest for each class of outputs.

    Args:
        audit: folder that holds the joined checksums.
        parts: ``tiles``, ``files`` and ``lmdb`` as `output_digests` gives them.
    """
    shards = {tile: entry["shards"] for tile, entry in parts["tiles"].items()}
    return {layer: sha256_file(audit / HASH_FILES[layer]) for layer in LAYERS} | {
        "tables": digest_of(parts["files"]),
        "shards": digest_of(shards),
        "lmdb": parts["lmdb"]["content"],
    }


def digest_of(value: Any) -> str:
    """The SHA-256 of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
