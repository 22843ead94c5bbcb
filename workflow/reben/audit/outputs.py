"""The digests of each class of outputs, for the manifest and for checks against it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reben.audit.digests import HEADER, digest_store
from reben.results.layout import IMAGE_STAGES, Layout
from reben.runtime.files import atomic_file, read_json, sha256_file, write_text


def gather_hashes(layout: Layout, tiles: Sequence[str], stage: str) -> None:
    """Join the checksums of all tiles into one table, with its SHA-256 in a second file.

    Names start with their tile and all tile names have the same length, so joining in the
    order of the tiles keeps all names sorted.
    """
    out = layout.hashes(stage)
    with atomic_file(out) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{HEADER}\n")
        for tile in sorted(tiles):
            text = layout.tile_hashes(stage, tile).read_text(encoding="utf-8")
            file.write(text.removeprefix(f"{HEADER}\n"))
    # Without a final newline, as in the published build.
    write_text(layout.hashes_digest(stage), sha256_file(out))


def table_paths(layout: Layout, config: dict[str, Any], tiles: Sequence[str]) -> list[str]:
    """The tables of a build with this configuration, below the results; sorted.

    Other files there do not belong to it: catalogue entries, and tables of products that
    were removed.
    """
    here = Layout("")
    has_sentinel1 = here.sentinel1_root(config["sentinel1"]) is not None
    has_scenes = bool(config["sentinel1"].get("scenes"))
    indices = [here.scene_index, here.scene_matches] if has_scenes else [here.sentinel1_index]
    paths = [
        *(here.metadata, here.obscured, here.class_counts, here.funnel, here.quality),
        *(here.selection, here.snow_cloud),
        *([here.countries] if config["countries"]["path"] else []),
        *([here.alignment] if config["alignment"]["pairs"] else []),
        *(indices if has_sentinel1 else []),
        here.clip_manifest,
    ]
    for tile in tiles:
        paths += [here.verdict(tile), here.patch_table(tile), here.code_counts(tile)]
        paths += [here.labels(tile), here.split(tile)]
        paths += [here.sentinel1(tile)] if has_sentinel1 else []
    if layout.clip_manifest.is_file():
        clips = read_json(layout.clip_manifest)["tiles"].values()
        paths += [here.clip(entry["clip"]) for entry in clips]
    return sorted(path.as_posix() for path in paths)


def output_digests(layout: Layout, config: dict[str, Any], tiles: Sequence[str]) -> dict[str, Any]:
    """The digests of every class of outputs, for each tile and overall.

    Returns:
        ``tiles`` by name, ``files`` (tables by path below the results), ``lmdb``, and
        ``global``, one digest for each class.
    """
    by_tile = {tile: read_json(layout.tile_digest(tile)) for tile in sorted(tiles)}
    root = Path(layout.root)
    tables = table_paths(layout, config, tiles)
    files = {name: sha256_file(root / name) for name in tables if (root / name).is_file()}
    lmdb = digest_store(layout.lmdb)
    for stage in IMAGE_STAGES:
        gather_hashes(layout, tiles, stage)
    parts = {"tiles": by_tile, "files": files, "lmdb": lmdb}
    return parts | {"global": global_digests(layout, parts)}


def global_digests(layout: Layout, parts: dict[str, Any]) -> dict[str, str]:
    """One digest for each class of outputs.

    Args:
        layout: layout of the results, which have the joined checksums.
        parts: ``tiles``, ``files`` and ``lmdb`` as `output_digests` returns them.
    """
    shards = {tile: entry["shards"] for tile, entry in parts["tiles"].items()}
    return {stage: sha256_file(layout.hashes(stage)) for stage in IMAGE_STAGES} | {
        "tables": digest_of(parts["files"]),
        "shards": digest_of(shards),
        "lmdb": parts["lmdb"]["content"],
    }


def digest_of(value: Any) -> str:
    """The SHA-256 of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
