"""Step audit: write a verifiable record of a build to ``results/audit/``.

In: the digests of all tiles (`reben.audit.digests`), the tables and the LMDB. Out:
``manifest.json`` (inputs, config, software, code, digests of every output),
``patch_hashes.csv`` and ``reference_maps_hashes.csv``, each with its SHA-256 in a second file,
as in the published build, copies of the nomenclature and the Snakefile, a README,
and ``ro-crate-metadata.json``, which makes the folder a Workflow Run RO-Crate.
`reben.verify` checks a build against them, wherever it is stored.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from reben.audit import provenance
from reben.audit.crate import write_crate
from reben.audit.outputs import output_digests
from reben.config import land_cover
from reben.config.scene_table import border_noise_warnings
from reben.results.coverage import land_cover_warnings
from reben.results.facts import gather_facts
from reben.results.finished import read_build
from reben.results.layout import Layout
from reben.results.offset_warning import offset_warnings
from reben.runtime import cli
from reben.runtime.code_version import PACKAGE
from reben.runtime.files import read_json, write_json

log = logging.getLogger(__name__)


def scene_warnings(layout: Layout) -> list[str]:
    """What to say of the Sentinel-1 scenes that patches were cut from, if they were."""
    matches = layout.scene_matches
    return border_noise_warnings(read_json(matches)["scenes"]) if matches.is_file() else []


def main(argv: Sequence[str] | None = None) -> None:
    """Write the audit of a build."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--config", type=json.loads, required=True, help="resolved config (JSON)")
    parser.add_argument("--snakemake", required=True, help="its version")
    args = parser.parse_args(argv)

    named = {key: args.config["dataset"][key] for key in ("name", "version", "licence")}
    build = read_build(args.results)
    layout = build.layout
    facts = gather_facts(build, **named, land_cover=land_cover.release(args.config))
    inputs = provenance.inputs(layout, args.config, build.verdicts)
    corrected = any(product["level"] == "L1C" for product in inputs["products"].values())
    manifest = {
        "warnings": [
            *offset_warnings(build.verdicts, args.config["patches"]["harmonise_offset"]),
            *land_cover_warnings(layout, build.tiles),
            *scene_warnings(layout),
        ],
        "dataset": named
        | {"licence_url": facts.licence_url, "summary": facts.summary}
        | {"patches": facts.patches, "patches_by_split": facts.by_split},
        "config": provenance.public(args.config),
        "inputs": inputs,
        "software": {
            **provenance.software(),
            "sen2cor": args.config["sen2cor"]["version"] if corrected else None,
            "snakemake": args.snakemake,
        },
        "code": {**provenance.code(), "git": provenance.git_state()},
        "outputs": output_digests(layout, args.config, build.tiles),
    }
    write_json(layout.manifest, manifest)
    shutil.copyfile(args.config["labels"]["nomenclature"], layout.audit_nomenclature)
    write_crate(layout, manifest, PACKAGE.parent / "Snakefile")
    tables = manifest["outputs"]["files"]
    log.info("%s: %d tiles, %d tables", layout.audit, len(build.tiles), len(tables))


if __name__ == "__main__":
    cli.run(main)
