"""The audit, its crate, and what `reben.verify` says about tampering."""

import hashlib
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from rocrate_validator import models, services
from urllib3 import HTTPResponse

from reben.publish import __main__ as publish
from reben.runtime.files import read_json
from tests.workflow.builds import TILES, Project

CLEAR = "dataset/metadata.parquet"
#: What https://w3id.org/ro/crate/1.1/context holds (1.1.3, CC0). That of 1.3, which the library
#: carries, knows more words.
CONTEXT = Path(__file__).parents[1] / "data/ro-crate-1.1-context.jsonld"


def test_manifest_names_inputs_software_code_and_digests(audited: Project) -> None:
    manifest = json.loads((audited.results / "audit/manifest.json").read_text())
    corine = audited.root / "inputs/corine.gpkg"
    assert manifest["inputs"]["files"]["corine.path"] == {
        "path": "inputs/corine.gpkg",
        "sha256": hashlib.sha256(corine.read_bytes()).hexdigest(),
        "bytes": corine.stat().st_size,
        "release": None,
    }
    assert set(manifest["inputs"]["products"]) == set(TILES)
    assert manifest["software"].keys() == {
        "gdal", "geos", "openjpeg", "packages", "platform", "proj", "python", "sen2cor", "snakemake"
    }  # fmt: skip
    unknown = [name for name, version in manifest["software"].items() if not version]
    assert unknown == ["sen2cor"], "it corrected none of these products"
    assert manifest["config"]["split"] == {"p": 0.25, "q": 0.25}
    assert len(manifest["code"]["steps"]["labels"]) == 12
    assert all(len(tile["product"]) == 64 for tile in manifest["outputs"]["tiles"].values())
    assert str(audited.root) not in json.dumps(manifest), "a path of this machine"


def test_the_audit_covers_the_build_and_nothing_beside_it(audited: Project, tmp_path: Path) -> None:
    """Not catalogue entries, nor leftovers of products that are no longer in the table."""
    build = audited.copy(tmp_path / "project")
    before = read_json(build.results / "audit/manifest.json")["outputs"]
    assert {Path(name).parts[0] for name in before["files"]} == {
        "dataset", "land_cover", "quality", "tables"
    }  # fmt: skip
    gone = TILES[1].replace("T32TMT", "T32TNT")
    for folder in ("patches", "code_counts", "labels", "split", "sentinel1"):
        table = build.results / f"tables/{folder}/{TILES[1]}.parquet"
        shutil.copy(table, table.with_name(f"{gone}.parquet"))
    tables = build.results / "tables"
    shutil.copy(tables / "countries.parquet", tables / "alignment.parquet")
    jobs = build.jobs("--forcerun", "audit", "--", "audit", "catalogue")
    assert jobs == {"audit": set(), "catalogue": set()}
    assert read_json(build.results / "audit/manifest.json")["outputs"] == before
    assert build.jobs("audit") == {}


def test_a_dataset_of_nothing_is_audited_and_reported_too(audited: Project, tmp_path: Path) -> None:
    build = audited.copy(tmp_path / "project")
    build.config["quality"] = {"required": ["FORMAT_CORRECTNESS", "GENERAL_QUALITY"]}
    table = build.root / "products.tsv"
    table.write_text("".join(line for line in table.open() if "T33UUP" not in line))
    build.snakemake("audit", "report")
    manifest = read_json(build.results / "audit/manifest.json")
    assert manifest["dataset"]["patches"] == 0
    done = build.shell("PYTHONPATH=workflow python -m reben.verify results")
    assert "\n0 findings in 1 tiles, 0 GeoTIFFs" in done.stdout


def test_checksums_have_the_format_of_the_published_build(audited: Project) -> None:
    audit = audited.results / "audit"
    for layer, name in (
        ("patches", "patch_hashes.csv"),
        ("reference_maps", "reference_maps_hashes.csv"),
    ):
        text = (audit / name).read_bytes()
        header, *lines = text.decode().splitlines()
        files = {p.stem: p for p in (audited.results / layer).rglob("*.tif")}
        expected = [
            f"{n},{hashlib.sha256(files[n].read_bytes()).hexdigest()}" for n in sorted(files)
        ]
        assert (header, lines) == ("name,sha256", expected)
        assert b"\r" not in text
        assert (audit / f"{name}.sha256").read_text() == hashlib.sha256(text).hexdigest()


def test_crate_stac_and_croissant_say_the_same_of_the_dataset(
    audited: Project, tmp_path: Path
) -> None:
    publish.main(
        ["--results", str(audited.results), "--name", "BigEarthNet-style dataset"]
        + ["--version", "1.0.0", "--licence", "CDLA-Permissive-1.0", "--out", str(tmp_path)]
        + ["--nomenclature", "resources/nomenclature/bigearthnet_19.csv", "--lmdb", "s2"]
    )
    graph = read_json(audited.results / "audit/ro-crate-metadata.json")["@graph"]
    dataset = next(e for e in graph if e["@id"] == "#dataset")
    croissant = read_json(tmp_path / "croissant.json")
    stac = read_json(tmp_path / "collection.json")
    licences = {link["href"] for link in stac["links"] if link["rel"] == "license"}
    assert {dataset["license"]["@id"]} == licences == {croissant["license"]}
    assert dataset["version"] == croissant["version"] == stac["version"]
    assert dataset["size"] == f"{stac['reben:patches']} patches"
    assert dataset["description"] in croissant["description"]


def test_a_validator_accepts_the_crate(
    audited: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crate = shutil.copytree(audited.results / "audit", tmp_path / "crate")
    context = CONTEXT.read_text(encoding="utf-8")
    named = json.loads(context)["@id"]
    assert named in read_json(crate / "ro-crate-metadata.json")["@context"]
    offline(monkeypatch, context)
    settings = services.ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier="workflow-run-crate-0.5",
        requirement_severity=models.Severity.RECOMMENDED,
        no_cache=True,
    )
    result = services.validate(settings)
    assert not result.get_issues(models.Severity.REQUIRED)
    assert {(issue.check.identifier, issue.violatingEntity) for issue in result.get_issues()} == {
        # It does not know who built and publishes a dataset, nor where this workflow is.
        ("ro-crate-1.1_22.2", "./"),
        ("ro-crate-1.1_22.3", "./"),
        ("process-run-crate-0.5_3.2", "./Snakefile"),
        # The validator mistakes types for applications.
        ("process-run-crate-0.5_5.1", "https://bioschemas.org/ComputationalWorkflow"),
        ("process-run-crate-0.5_5.1", "http://schema.org/SoftwareSourceCode"),
    }
    metadata = json.loads((crate / "ro-crate-metadata.json").read_text())
    metadata["@graph"] = [e for e in metadata["@graph"] if e["@id"] != "#build"]
    (crate / "ro-crate-metadata.json").write_text(json.dumps(metadata))
    issues = services.validate(settings).get_issues(models.Severity.REQUIRED)
    assert issues, "a crate without its run was accepted"


def offline(monkeypatch: pytest.MonkeyPatch, context: str) -> None:
    """Answer requests for the RO-Crate context from a local copy, and no others."""

    def send(_: HTTPAdapter, request: requests.PreparedRequest, **kwargs: object) -> object:
        if not str(request.url).startswith("https://w3id.org/ro/crate/"):
            raise requests.ConnectionError(f"no network here: {request.url}")
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(request.url), request
        response.headers["Content-Type"] = "application/ld+json"
        response.raw = HTTPResponse(io.BytesIO(context.encode()), preload_content=False, status=200)
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)


def test_same_digests_elsewhere_with_other_threads_locale_zone_and_umask(
    audited: Project, tmp_path: Path
) -> None:
    digests = {}
    for cores, locale, zone, umask in (
        (1, "C", "UTC", "022"),
        (4, "C.UTF-8", "Pacific/Apia", "077"),
    ):
        build = audited.copy(tmp_path / f"cores {cores}" / "project")
        shutil.rmtree(build.results)
        shutil.rmtree(build.root / ".snakemake")
        (build.root / "build.yaml").write_text(json.dumps(build.config))
        command = f"umask {umask}; exec {sys.executable} -m snakemake --configfile build.yaml"
        env = {"LC_ALL": locale, "TZ": zone}
        build.shell(f"{command} --cores {cores} audit", env)
        digests[cores] = json.loads((build.results / "audit/manifest.json").read_text())["outputs"]
    mine = json.loads((audited.results / "audit/manifest.json").read_text())["outputs"]
    assert digests[1] == mine
    assert digests[4] == mine
