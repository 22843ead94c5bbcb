"""The audit as a Workflow Run RO-Crate: who made what of what, for machines.

Source: Workflow Run Crate profile 0.5, https://w3id.org/ro/wfrun/workflow/0.5.
"""

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from reben.files import write_json

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_LICENSE = "https://spdx.org/licenses/MIT"


def write_crate(
    audit: Path, manifest: dict[str, Any], snakefile: Path, hash_files: Iterable[str]
) -> None:
    """Write ``ro-crate-metadata.json`` into the audit folder, and what it needs there.

    Args:
        audit: folder that holds the manifest and the tables of checksums.
        manifest: what the manifest says.
        snakefile: the workflow; a copy goes into the crate.
        hash_files: names of the tables of checksums; each has a ``.sha256`` beside it.
    """
    shutil.copyfile(snakefile, audit / "Snakefile")
    write_json(audit / "config.json", manifest["config"])
    ended = datetime.fromtimestamp((audit / "manifest.json").stat().st_mtime, UTC)
    ended_text = ended.isoformat(timespec="seconds")

    crate = ROCrate(gen_preview=False, version="1.1")
    root = crate.root_dataset
    crate.name = "Audit of a dataset built by reben"
    crate.description = (
        "What a BigEarthNet-style dataset was built from, with which settings and software, "
        "and the checksums of all that was made."
    )
    crate.license = crate.add(
        ContextEntity(crate, _LICENSE, {"@type": "CreativeWork", "name": "MIT"})
    )
    crate.datePublished = ended
    root["conformsTo"] = [
        crate.add(
            ContextEntity(
                crate,
                url,
                {"@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]},
            )
        )
        for url, name in _PROFILES.items()
    ]
    workflow = crate.add_workflow(
        audit / "Snakefile", "Snakefile", main=True, lang="snakemake",
        lang_version=manifest["software"]["snakemake"], properties={"name": "reben"},
    )  # fmt: skip
    settings = _parameter(crate, "#settings", "settings", "config")
    checksums = _parameter(crate, "#checksums", "checksums", "checksums of the outputs")
    workflow["input"], workflow["output"] = [settings], [checksums]

    def file(name: str, what: str, kind: str, parameter: ContextEntity | None) -> Any:
        properties: dict[str, Any] = {"name": what, "encodingFormat": kind}
        if parameter:
            properties["exampleOfWork"] = {"@id": parameter.id}
        return crate.add_file(audit / name, name, properties=properties)

    config = file("config.json", "config as resolved", "application/json", settings)
    made = [file("manifest.json", "manifest of the build", "application/json", checksums)]
    for name in hash_files:
        made.append(file(name, "SHA-256 of GeoTIFFs, by name", "text/csv", checksums))
        made.append(file(f"{name}.sha256", f"SHA-256 of {name}", "text/plain", checksums))
    sources = [_source(crate, key, entry) for key, entry in manifest["inputs"]["files"].items()]
    engine = crate.add(
        ContextEntity(
            crate,
            "#snakemake",
            {
                "@type": "SoftwareApplication",
                "name": "Snakemake",
                "softwareVersion": manifest["software"]["snakemake"],
                "url": {"@id": "https://snakemake.github.io"},
            },
        )
    )
    agent = crate.add(ContextEntity(crate, "#builder", {"@type": "Person", "name": "builder"}))
    action = crate.add(
        ContextEntity(
            crate,
            "#build",
            {
                "@type": "CreateAction",
                "name": "Build of the dataset",
                "description": f"git commit {manifest['code']['git']['commit'] or 'unknown'}",
                "endTime": ended_text,
                "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
            },
        )
    )
    action["instrument"] = workflow
    action["agent"] = agent
    action["object"] = [config, *sources]
    action["result"] = made
    root["mentions"] = [action]
    root["about"] = [_dataset(crate, manifest["dataset"])]
    workflow["softwareRequirements"] = [engine]
    crate.metadata.write(audit)


def _dataset(crate: ROCrate, dataset: dict[str, Any]) -> Any:
    """The dataset that the crate is about; it lies outside. Said as STAC and Croissant say it."""
    licence = ContextEntity(
        crate, dataset["licence_url"], {"@type": "CreativeWork", "name": dataset["licence"]}
    )
    return crate.add(
        ContextEntity(
            crate,
            "#dataset",
            {
                "@type": "Dataset",
                "name": dataset["name"],
                "version": dataset["version"],
                "description": dataset["summary"],
                "license": {"@id": crate.add(licence).id},
                "size": f"{dataset['patches']} patches",
            },
        )
    )


def _parameter(crate: ROCrate, key: str, name: str, description: str) -> Any:
    return crate.add(
        ContextEntity(
            crate,
            key,
            {
                "@type": "FormalParameter",
                "additionalType": "File",
                "name": name,
                "description": description,
                "conformsTo": {
                    "@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
                },
            },
        )
    )


def _source(crate: ROCrate, key: str, entry: dict[str, Any]) -> Any:
    """An input by its checksum: it lies outside the crate, and may lie anywhere."""
    return crate.add(
        ContextEntity(
            crate,
            f"#input-{key}",
            {
                "@type": "PropertyValue",
                "name": key,
                "value": entry["path"],
                "propertyID": "sha256",
                "description": f"SHA-256 {entry['sha256']}",
            },
        )
    )
