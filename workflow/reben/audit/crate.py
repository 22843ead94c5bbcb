"""The audit as a Workflow Run RO-Crate: machine-readable provenance.

Source: Workflow Run Crate profile 0.5, https://w3id.org/ro/wfrun/workflow/0.5.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from reben import __version__
from reben.results.layout import IMAGE_STAGES, Layout
from reben.runtime.files import sha256_file, write_json, write_text

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_BIOSCHEMAS = (
    "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE",
    "Bioschemas ComputationalWorkflow",
)
_README = """# Audit of {name} {version}

{summary}

| file | content |
|---|---|
| `manifest.json` | inputs with checksums, config, software, code, digests of every output |
| `patch_hashes.csv`, `reference_maps_hashes.csv` | SHA-256 of every GeoTIFF, by name |
| `tiles/` | the same by tile |
| `config.json`, `nomenclature.csv`, `Snakefile` | what defined the build |
| `ro-crate-metadata.json` | all of it as a Workflow Run RO-Crate |

`python -m reben.verify RESULTS` checks a build against it.
"""
#: RO-Crate 1.1 has no word for a checksum; the vocabulary of Workflow Run Crate has.
_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
_LICENSE = "https://spdx.org/licenses/MIT"


def write_crate(layout: Layout, manifest: dict[str, Any], snakefile: Path) -> None:
    """Write ``ro-crate-metadata.json`` and the files that it needs into the audit folder.

    Args:
        layout: layout of the results, whose audit has the manifest, the nomenclature and the
            tables of checksums.
        manifest: content of the manifest.
        snakefile: the workflow; a copy goes into the crate.
    """
    shutil.copyfile(snakefile, layout.audit_snakefile)
    write_json(layout.audit_config, manifest["config"])
    write_text(layout.audit_readme, _README.format(**manifest["dataset"]))
    ended = datetime.fromtimestamp(layout.manifest.stat().st_mtime, UTC)

    crate = ROCrate(gen_preview=False, version="1.1")
    crate.metadata.extra_terms.update(_TERMS)
    root = crate.root_dataset
    crate.name = "Audit of a dataset built by reben"
    crate.description = (
        "What a BigEarthNet-style dataset was built from, with which settings and software, "
        "and the checksums of all outputs."
    )
    crate.license = crate.add(
        ContextEntity(crate, _LICENSE, {"@type": "CreativeWork", "name": "MIT"})
    )
    crate.datePublished = ended
    root["conformsTo"] = [_standard(crate, url, name) for url, name in _PROFILES.items()]
    # A single value is not a list, as RO-Crate 1.1 requires.
    settings = _parameter(crate, "#settings", "settings", "config")
    checksums = _parameter(crate, "#checksums", "checksums", "checksums of the outputs")
    version = manifest["software"]["snakemake"]
    commit = manifest["code"]["git"]["commit"]
    engine = _entity(
        crate, "https://snakemake.github.io", "SoftwareApplication",
        name="Snakemake", softwareVersion=version, url={"@id": "https://snakemake.github.io"},
    )  # fmt: skip
    workflow = crate.add_workflow(
        layout.audit_snakefile, layout.audit_snakefile.name,
        main=True, lang="snakemake", lang_version=version,
        properties={
            "name": "reben",
            "version": f"{__version__}, git commit {commit or 'unknown'}",
            **_contents(layout.audit_snakefile, "text/plain"),
            "conformsTo": {"@id": _standard(crate, *_BIOSCHEMAS).id},
            "input": {"@id": settings.id},
            "output": {"@id": checksums.id},
            "softwareRequirements": {"@id": engine.id},
        },
    )  # fmt: skip

    def file(path: Path, what: str, media: str, parameter: ContextEntity | None = None) -> Any:
        properties: dict[str, Any] = {"name": what, **_contents(path, media)}
        if parameter:
            properties["exampleOfWork"] = {"@id": parameter.id}
        return crate.add_file(path, path.name, properties=properties)

    file(layout.audit_readme, "content of this folder", "text/markdown")["about"] = root
    config = file(layout.audit_config, "resolved config", "application/json", settings)
    classes = file(
        layout.audit_nomenclature, "the nomenclature: class by land cover code", "text/csv"
    )
    made = [file(layout.manifest, "manifest of the build", "application/json", checksums)]
    for stage in IMAGE_STAGES:
        table, digest = layout.hashes(stage), layout.hashes_digest(stage)
        made.append(file(table, "SHA-256 of GeoTIFFs, by name", "text/csv", checksums))
        made.append(file(digest, f"SHA-256 of {table.name}", "text/plain", checksums))
    sources = [_source(crate, key, entry) for key, entry in manifest["inputs"]["files"].items()]
    action = _entity(
        crate, "#build", "CreateAction",
        name="Build of the dataset",
        description=f"git commit {commit or 'unknown'}",
        endTime=ended.isoformat(timespec="seconds"),
        actionStatus="http://schema.org/CompletedActionStatus",
    )  # fmt: skip
    action["instrument"] = workflow
    action["agent"] = _entity(crate, "#builder", "Person", name="builder")
    action["object"] = [config, classes, *sources]
    action["result"] = made
    root["mentions"] = action
    root["about"] = _dataset(crate, manifest["dataset"])
    crate.metadata.write(layout.audit)


def _entity(crate: ROCrate, key: str, type_: str, **properties: Any) -> Any:
    return crate.add(ContextEntity(crate, key, {"@type": type_, **properties}))


def _standard(crate: ROCrate, url: str, name: str) -> Any:
    return _entity(crate, url, "CreativeWork", name=name, version=url.rpartition("/")[2])


def _contents(path: Path, media: str) -> dict[str, str]:
    return {
        "encodingFormat": media,
        "contentSize": str(path.stat().st_size),
        "sha256": sha256_file(path),
    }


def _dataset(crate: ROCrate, dataset: dict[str, Any]) -> Any:
    """The dataset that the crate describes, outside the crate; worded as in STAC and Croissant."""
    url = dataset["licence_url"]
    licence = _entity(crate, url, "CreativeWork", name=dataset["licence"])
    return _entity(
        crate, "#dataset", "Dataset",
        name=dataset["name"],
        version=dataset["version"],
        description=dataset["summary"],
        license={"@id": licence.id},
        size=f"{dataset['patches']} patches",
    )  # fmt: skip


def _parameter(crate: ROCrate, key: str, name: str, description: str) -> Any:
    profile = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
    return _entity(
        crate, key, "FormalParameter",
        additionalType="File", name=name, description=description, conformsTo={"@id": profile},
    )  # fmt: skip


def _source(crate: ROCrate, key: str, entry: dict[str, Any]) -> Any:
    """An input, identified by its checksum: it is outside the crate and can be anywhere."""
    return _entity(
        crate, f"#input-{key}", "PropertyValue",
        name=key,
        value=entry["path"],
        propertyID="sha256",
        description=f"SHA-256 {entry['sha256']}",
    )  # fmt: skip
