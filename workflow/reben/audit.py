"""Step audit: the proof of what a build is, in ``results/audit/``.

In: the digests of all tiles (`reben.digests`), the tables and the LMDB. Out:
``manifest.json`` (inputs, config, software, code, digests of every output),
``patch_hashes.csv`` and ``reference_maps_hashes.csv`` with the SHA-256 of each beside it,
as the published build has them, and ``ro-crate-metadata.json``, which makes the folder a
Workflow Run RO-Crate. `reben.verify` checks a build against them, wherever it lies.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reben import cli, provenance
from reben.crate import write_crate
from reben.digests import HEADER, LAYERS, digest_store
from reben.files import atomic_file, read_json, sha256_file, write_json, write_text
from reben.publish.facts import gather_facts
from reben.quality import offset_warnings
from reben.results import read_build

log = logging.getLogger(__name__)

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


def main(argv: Sequence[str] | None = None) -> None:
    """Write the audit of a build."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--config", type=json.loads, required=True, help="as resolved (JSON)")
    parser.add_argument("--tiles", nargs="+", required=True)
    parser.add_argument("--snakemake", required=True, help="its version")
    parser.add_argument("--snakefile", type=Path, required=True)
    args = parser.parse_args(argv)

    audit = args.results / "audit"
    named = {key: args.config["dataset"][key] for key in ("name", "version", "licence")}
    facts = gather_facts(read_build(args.results), **named)
    verdicts = [read_json(args.results / f"quality/{tile}.json") for tile in args.tiles]
    manifest = {
        "warnings": offset_warnings(verdicts, args.config["patches"]["harmonise_offset"]),
        "dataset": named
        | {"licence_url": facts.licence_url, "summary": facts.summary}
        | {"patches": facts.patches, "patches_by_split": facts.by_split},
        "config": provenance.public(args.config),
        "inputs": provenance.inputs(args.config),
        "software": {
            **provenance.software(),
            "sen2cor": args.config["sen2cor"]["version"],
            "snakemake": args.snakemake,
        },
        "code": {**provenance.code(), "git": provenance.git_state(args.snakefile.parent)},
        "outputs": output_digests(args.results, args.tiles),
    }
    write_json(audit / MANIFEST, manifest)
    write_crate(audit, manifest, args.snakefile, HASH_FILES.values())
    log.info("%s: %d tiles, %d tables", audit, len(args.tiles), len(manifest["outputs"]["files"]))


if __name__ == "__main__":
    cli.run(main)
