"""The audit, its crate, and what `reben.verify` says about tampering."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import pytest
import requests
import rocrate
from requests.adapters import HTTPAdapter
from rocrate_validator import models, services
from safetensors.numpy import save
from urllib3 import HTTPResponse

from reben.files import read_json
from reben.publish import __main__ as publish
from reben.tables import METADATA, read_table, write_table
from reben.verify.checks import Build as Claimed
from reben.verify.checks import verify
from tests.workflow.builds import TILES, Build

CLEAR = "dataset/metadata.parquet"


@pytest.fixture(scope="session")
def audited(small_project: Build, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The small build with its audit. Read only."""
    build = small_project.copy(tmp_path_factory.mktemp("audited") / "project")
    jobs = build.jobs("audit")
    assert jobs == {"digest_tile": set(TILES), "audit": set()}
    return build


@pytest.fixture
def results(audited: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results, moved elsewhere, that a test may tamper with."""
    monkeypatch.chdir(audited.root)
    return Path(shutil.copytree(audited.results, tmp_path / "moved"))


def findings(results: Path, sample: int | None = None) -> list[str]:
    """What verify finds, with paths relative to the results."""
    return [str(f).replace(f"{results}/", "") for f in verify(Claimed.open(results, sample))]


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def put(store: Path, key: str, value: bytes | None) -> None:
    """Write an entry into an LMDB behind the workflow's back; without a value, copy another."""
    with lmdb.open(str(store), map_size=1 << 30, lock=False) as env, env.begin(write=True) as txn:
        txn.put(key.encode(), value or next(iter(txn.cursor()))[1])


def entry(store: Path, key: str) -> bytes:
    with lmdb.open(str(store), readonly=True, lock=False) as env, env.begin() as txn:
        return bytes(txn.get(key.encode()))


def test_moved_results_are_what_they_claim(results: Path) -> None:
    assert findings(results) == []
    assert findings(results, sample=3) == []


def test_manifest_names_inputs_software_code_and_digests(audited: Build) -> None:
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
    assert all(manifest["software"].values())
    assert manifest["config"]["split"] == {"p": 0.25, "q": 0.25}
    assert len(manifest["code"]["steps"]["labels"]) == 12
    assert all(len(tile["product"]) == 64 for tile in manifest["outputs"]["tiles"].values())
    assert str(audited.root) not in json.dumps(manifest), "a path of this machine"


def test_checksums_have_the_format_of_the_published_build(audited: Build) -> None:
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
    audited: Build, tmp_path: Path
) -> None:
    publish.main(
        ["--results", str(audited.results), "--name", "BigEarthNet", "--version", "2.0.0"]
        + ["--licence", "CDLA-Permissive-1.0", "--out", str(tmp_path)]
        + ["--nomenclature", "resources/nomenclature/bigearthnet_19.csv"]
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
    audited: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crate = shutil.copytree(audited.results / "audit", tmp_path / "crate")
    # The validator fetches the context; offline it gets the copy that the library carries.
    # That is version 1.3, in which the terms of Bioschemas have other addresses than in 1.1.
    context = (Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text()
    for term in ("input", "output"):
        context = re.sub(
            rf'"{term}": "https://bioschemas.org/[^"]*"',
            f'"{term}": "https://bioschemas.org/ComputationalWorkflow#{term}"',
            context,
        )
    offline(
        monkeypatch, context.replace("https://bioschemas.org/terms/", "https://bioschemas.org/")
    )
    settings = services.ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier="workflow-run-crate-0.5",
        requirement_severity=models.Severity.REQUIRED,
        no_cache=True,
    )
    result = services.validate(settings)
    assert result.passed(), [issue.message for issue in result.get_issues()]
    metadata = json.loads((crate / "ro-crate-metadata.json").read_text())
    metadata["@graph"] = [e for e in metadata["@graph"] if e["@id"] != "#build"]
    (crate / "ro-crate-metadata.json").write_text(json.dumps(metadata))
    assert not services.validate(settings).passed(), "a crate without its run was accepted"


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


def test_tampered_geotiff(results: Path) -> None:
    path = sorted((results / "patches" / TILES[0]).rglob("*.tif"))[5]
    flip(path)
    (found,) = findings(results)
    assert found.startswith(f"{path.relative_to(results)}: sha256: expected ")


def test_tampered_shard(results: Path) -> None:
    path = results / f"encoded/s2/{TILES[0]}.lmdb/data.mdb"
    flip(path, path.stat().st_size // 2)
    found = findings(results)
    assert found[0].startswith(f"{path.relative_to(results)}: sha256: expected ")


def test_tampered_lmdb(results: Path) -> None:
    path = results / "dataset/BigEarthNet.lmdb/data.mdb"
    flip(path, path.stat().st_size // 2)
    assert any(f.startswith("dataset/BigEarthNet.lmdb/data.mdb: sha256") for f in findings(results))


def test_dropped_row(results: Path) -> None:
    frame = read_table(results / CLEAR, METADATA)
    write_table(results / CLEAR, frame[1:], METADATA)
    found = findings(results)
    patch = frame["patch_id"][0]
    assert (
        f"dataset/BigEarthNet.lmdb: the entry {patch!r} belongs to no row of the metadata" in found
    )
    assert f"{CLEAR}: {patch} is kept but its row is missing" in found


def test_added_label(results: Path) -> None:
    frame = read_table(results / CLEAR, METADATA)
    labels = frame["labels"].to_list()
    labels[0] = sorted([*labels[0], "Agro-forestry areas"])
    write_table(results / CLEAR, frame.with_columns(labels=pl.Series(labels)), METADATA)
    found = findings(results)
    patch = frame["patch_id"][0]
    assert any(
        f.startswith(f"dataset/BigEarthNet.lmdb: {patch}: the metadata's labels") for f in found
    )
    assert any(f.startswith(f"{CLEAR}: {patch}: labels is") for f in found)


def test_swapped_splits(results: Path) -> None:
    frame = read_table(results / CLEAR, METADATA)
    test = frame.filter(pl.col("split") == "test")["patch_id"][0]
    other = frame.filter(pl.col("split") == "validation")["patch_id"][0]
    swapped = frame.with_columns(
        split=pl.when(pl.col("patch_id") == test)
        .then(pl.lit("validation"))
        .when(pl.col("patch_id") == other)
        .then(pl.lit("test"))
        .otherwise("split")
    )
    write_table(results / CLEAR, swapped, METADATA)
    found = findings(results)
    for patch, stated, place in ((test, "validation", "test"), (other, "test", "validation")):
        assert (
            f"{CLEAR}: {patch}: split is {stated}, by its place in the tile it is {place}" in found
        )


def test_extra_key(results: Path) -> None:
    put(results / "dataset/BigEarthNet.lmdb", "zebra", None)
    found = findings(results)
    assert "dataset/BigEarthNet.lmdb: the entry 'zebra' belongs to no row of the metadata" in found


def test_swapped_flag(results: Path) -> None:
    frame = read_table(results / CLEAR, METADATA)
    write_table(results / CLEAR, frame.with_columns(contains_seasonal_snow=True), METADATA)
    assert any("its flags belong in the other table" in f for f in findings(results))


def test_reference_map_of_another_patch(results: Path) -> None:
    frame = read_table(results / CLEAR, METADATA)
    one = frame.row(0, named=True)
    other = next(r for r in frame.iter_rows(named=True) if r["labels"] != one["labels"])
    store = results / "dataset/BigEarthNet.lmdb"
    key = f"{one['patch_id']}_reference_map"
    put(store, key, entry(store, f"{other['patch_id']}_reference_map"))
    folder = results / "reference_maps" / TILES[0]
    files = sorted(folder.rglob("*.tif"))
    shutil.copy(files[1], files[0])
    found = findings(results)
    assert any(f.startswith(f"{files[0].relative_to(results)}: sha256") for f in found)
    assert any(
        f.startswith(f"dataset/BigEarthNet.lmdb: {one['patch_id']}: the metadata's labels")
        for f in found
    )
    assert any(f"the entry {key!r} differs from dataset/BigEarthNet.lmdb" in f for f in found)


def test_wrong_shape(results: Path) -> None:
    patch = read_table(results / CLEAR, METADATA)["patch_id"][0]
    put(results / "dataset/BigEarthNet.lmdb", patch, save({"B01": np.zeros((20, 20), np.uint16)}))
    assert any(f"the entry {patch!r}: expected " in f for f in findings(results))


def test_verify_exits_with_1_and_lists_the_culprit(results: Path, audited: Build) -> None:
    command = [sys.executable, "-m", "reben.verify", str(results), "--sample", "4"]
    assert subprocess.run(command, cwd=audited.root, check=True, capture_output=True).stdout
    (results / "dataset/class_counts.csv").write_text("class\n")
    done = subprocess.run(command, cwd=audited.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "dataset/class_counts.csv: sha256: expected" in done.stdout


def test_same_digests_elsewhere_with_other_threads_locale_zone_and_umask(
    audited: Build, tmp_path: Path
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
