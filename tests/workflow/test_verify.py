"""What `reben.verify` says about tampering, with the real audit and with a forged one."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import lmdb
import polars as pl
import pytest

from reben.audit import __main__ as audit
from reben.audit import digests, provenance
from reben.domain.tables import (
    ALIGNMENT,
    METADATA,
    SNOW_CLOUD,
    read_table,
)
from reben.results.layout import Layout
from reben.runtime.files import read_json, sha256_file, write_json
from reben.verify import __main__ as verifying
from reben.verify.audited_build import AuditedBuild
from reben.verify.checks import verify
from tests.workflow import tamper_images as images
from tests.workflow import tamper_tables as tables
from tests.workflow.builds import TILES, Project
from tests.workflow.edits import (
    CLEAR,
    FIRST,
    KINDS,
    LMDB,
    OBSCURED,
    at,
    flip,
    metadata,
    pack,
    rewrite,
    tiff,
)

SOFTWARE = cache(provenance.software)

#: Changes results and returns the start of the finding from content checks alone.
Tampering = Callable[[Path], str]


@pytest.fixture
def results(audited: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results, moved elsewhere, that a test may tamper with."""
    monkeypatch.chdir(audited.root)
    monkeypatch.setattr(provenance, "software", SOFTWARE)  # otherwise queried for each forgery
    return Path(shutil.copytree(audited.results, tmp_path / "moved"))


def look(results: Path, sample: int | None = None) -> tuple[list[str], list[str]]:
    """The findings and notes of verify, with paths relative to the results."""
    build = AuditedBuild.open(results, sample)
    found = verify(build)
    return tuple([str(line).replace(f"{results}/", "") for line in lines]
                 for lines in (found, build.remarks()))  # type: ignore[return-value]  # fmt: skip


def findings(results: Path, sample: int | None = None) -> list[str]:
    return look(results, sample)[0]


def forge(results: Path) -> None:
    """Audit the tampered results, as anyone with the workflow could."""
    layout = Layout(results)
    manifest = read_json(layout.manifest)
    for tile in manifest["outputs"]["tiles"]:
        shards = [results / f"encoded/{kind}/{tile}.lmdb" for kind in KINDS]
        digests.main(
            ["--tile", tile, "--patches", str(results / "patches" / tile)]
            + ["--reference-maps", str(results / "reference_maps" / tile)]
            + ["--shards", *map(str, shards), "--out", str(layout.tile_digest(tile))]
            + ["--out-patches", str(layout.tile_hashes("patches", tile))]
            + ["--out-reference-maps", str(layout.tile_hashes("reference_maps", tile))]
        )
    audit.main(
        ["--results", str(results), "--config", json.dumps(manifest["config"])]
        + ["--snakemake", "9"]
    )


TAMPERINGS: list[Tampering] = [*images.ALL, *tables.ALL]
#: Also tried with the audit as it was.
PLAIN: list[Tampering] = [
    images.geotiff, images.shard_byte, images.lmdb_byte, tables.dropped_row,
    tables.added_label, tables.swapped_splits, images.lmdb_extra_key, images.reference_map,
]  # fmt: skip


def test_moved_results_are_what_they_claim(results: Path) -> None:
    found, remarks = look(results)
    assert found == []
    (shared,) = remarks
    assert shared.endswith("share ground with a patch of another split in the same season")
    assert findings(results, sample=3) == []


@pytest.mark.parametrize("tamper", PLAIN, ids=lambda tamper: tamper.__name__)
def test_tampering_shows_in_checksums_and_content(results: Path, tamper: Tampering) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    expected = tamper(results)
    found = findings(results)
    for path, data in before.items():
        if path.read_bytes() != data:
            start = f"{path.relative_to(results)}: sha256: expected "
            assert [line for line in found if line.startswith(start)], (path, found)
    assert [line for line in found if line.startswith(expected)], (expected, found)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_forged_audit_does_not_hide_tampering(results: Path, tamper: Tampering) -> None:
    expected = tamper(results)
    forge(results)
    found = findings(results)
    assert [line for line in found if line.startswith(expected)], (expected, found)
    assert not any("sha256" in line for line in found), found


def test_flags_and_names_are_held_against_those_of_v1(
    scene_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = scene_project.copy(tmp_path / "project")
    build.snakemake("audit")
    monkeypatch.chdir(build.root)
    results = build.results
    assert findings(results) == []
    row = read_table(results / OBSCURED, METADATA).row(0, named=True)
    patch = row["patch_id"]
    snow, cloud = "contains_seasonal_snow", "contains_cloud_or_shadow"
    for table, schema in ((OBSCURED, METADATA), ("tables/snow_cloud.parquet", SNOW_CLOUD)):
        rewrite(results, table, schema, at(patch, snow, row[cloud]), at(patch, cloud, row[snow]))
    name = row["s2v1_name"].replace("T10", "T11")
    for table, schema in ((OBSCURED, METADATA), ("tables/alignment.parquet", ALIGNMENT)):
        rewrite(results, table, schema, at(patch, "s2v1_name", name))
    found = "\n".join(findings(results))
    for column, value, source in (
        (snow, row[cloud], "patches_with_seasonal_snow.csv.bz2"),
        (cloud, row[snow], "patches_with_cloud_and_shadow.csv.bz2"),
        ("s2v1_name", name, "s1_s2_name_country_season.csv.bz2"),
    ):
        expected = rf"{OBSCURED}: {patch}: {column} is {value}, by \S*/{source} it is {row[column]}"
        assert re.search(expected, found), (expected, found)


def test_a_sample_looks_at_whole_tables_and_few_patches(results: Path) -> None:
    path = tiff(results, metadata(results)["patch_id"][0], "B05")
    flip(path)
    random.seed(2)
    seen = [any(path.name in line for line in findings(results, 3)) for _ in range(4)]
    assert True in seen, "of nine patches, other ones every time"
    assert False in seen
    assert tables.country(results).partition(":")[0] in "".join(findings(results, 1))
    remarks = look(results, 2)[1]
    assert any("only 2 patches of each tile were checked" in line for line in remarks)


def test_what_later_steps_do_not_need_is_no_finding_but_said(results: Path) -> None:
    for name in ("patches", "reference_maps", "encoded", "tables", "land_cover", "quality"):
        shutil.rmtree(results / name)
    found, remarks = look(results)
    assert found == []
    for name in ("patches", "encoded/s1", "tables/code_counts", "quality"):
        assert any(line.startswith(f"{name}: not there, not checked: ") for line in remarks)
    rewrite(results, CLEAR, METADATA, pl.lit("test").alias("split"))
    assert any(": split is test, by its place in the tile it is " in f for f in findings(results))


def test_elsewhere_inputs_are_not_at_hand_and_labels_are_checked_all_the_same(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, remarks = look(results)
    assert found == []
    countries = "inputs/countries.gpkg: countries.path is gone or has changed since, the countries"
    assert any(line.startswith(countries) for line in remarks)
    assert any(line.startswith("inputs: not there, entries of Sentinel-1") for line in remarks)
    expected = tables.added_label(results)
    assert any(line.startswith(expected) for line in findings(results))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (CLEAR, b"garbage", "not a readable table"),
        (f"{LMDB}/data.mdb", b"garbage", "cannot be opened as an LMDB"),
        (f"{LMDB}/data.mdb", b"", "cannot be opened as an LMDB"),
        (f"encoded/s2/{FIRST}.lmdb/data.mdb", b"garbage", "cannot be opened as an LMDB"),
        (f"quality/{FIRST}.json", b"{", "expected JSON"),
        (f"audit/tiles/{FIRST}.patches.csv", b"\xff", "expected a table of checksums"),
        (f"audit/tiles/{FIRST}.patches.csv", b"name,sha256\nx\n", "expected lines of name,sha256"),
        ("audit/patch_hashes.csv.sha256", b"0", "is not the SHA-256 of patch_hashes.csv"),
        ("audit/config.json", b"{}", "is not the config in the manifest"),
        ("audit/nomenclature.csv", b"code,class\n", "is not the nomenclature that the manifest"),
        (f"audit/tiles/{FIRST}.json", b"{}", "does not match the manifest"),
    ],
)
def test_what_is_broken_is_named_and_breaks_no_other_check(
    results: Path, name: str, content: bytes, expected: str
) -> None:
    (results / name).write_bytes(content)
    (results / "dataset/quality.csv").write_text("also\n")
    found = findings(results)
    file = name.removesuffix("/data.mdb")
    assert [line for line in found if file in line and expected in line], found
    assert any(line.startswith("dataset/quality.csv: sha256") for line in found)


@pytest.mark.parametrize("part", ["tables", "lmdb", "patches"])
def test_a_manifest_is_of_one_opinion_with_itself(results: Path, part: str) -> None:
    path = results / "audit/manifest.json"
    manifest = read_json(path)
    manifest["outputs"]["global"][part] = "0" * 64
    write_json(path, manifest)
    found = findings(results)
    assert any(f"global digest of {part}: expected 0000" in line for line in found)
    assert "audit/manifest.json: its SHA-256 is not the one in ro-crate-metadata.json" in found


def test_another_layout_of_the_same_entries_is_said_to_be_that(results: Path) -> None:
    copy = results / "copy"
    copy.mkdir()
    with lmdb.open(str(results / LMDB), readonly=True, lock=False) as env:
        env.copy(str(copy), compact=True)
    (copy / "data.mdb").replace(results / LMDB / "data.mdb")
    (found,) = findings(results)
    assert found.endswith("but its entries match the manifest, stored in another layout")


def test_what_no_audit_covers_is_said(results: Path) -> None:
    shutil.copytree(results / f"patches/{FIRST}", results / "patches/other")
    (results / f"reference_maps/{FIRST}/map.aux.xml").write_text("<x/>")
    shutil.copy(results / "tables/countries.parquet", results / "tables/more.parquet")
    found, remarks = look(results)
    assert found == []
    for line in (
        "patches: not covered by the audit: other",
        f"reference_maps/{FIRST}: not covered by the audit: map.aux.xml",
        "tables: not covered by the audit: more.parquet",
    ):
        assert line in remarks


def test_a_build_by_other_code_is_said_to_be_that(results: Path) -> None:
    path = results / "audit/manifest.json"
    manifest = read_json(path)
    manifest["code"]["steps"]["labels"] = "0" * 12
    write_json(path, manifest)
    remarks = look(results)[1]
    assert any(line.startswith("built by other code than this for labels;") for line in remarks)


def test_tars_are_looked_into_and_held_together(results: Path) -> None:
    for stage in ("patches", "reference_maps"):
        for tile in TILES:
            pack(results / stage / tile)
    forge(results)
    assert findings(results) == findings(results, 2) == []
    path = results / f"patches/{FIRST}/patches.tar"
    whole = path.read_bytes()
    name = f"{path.relative_to(results)}"
    for place, expected in (
        (
            whole.find(b"II*\0") + 500,
            f"patches/{FIRST}/{FIRST}_00_00/{FIRST}_00_00_B01.tif: sha256",
        ),
        (0, f"{name}: expected the header of {FIRST}_00_00/{FIRST}_00_00_B01.tif at byte 0"),
        (len(whole) - 1, f"{name}: expected the end of the tar at byte"),
    ):
        flip(path, place)
        found = findings(results)
        assert [line for line in found if line.startswith(expected)], (expected, found)
        path.write_bytes(whole)
    path.with_name("patches.index.parquet").write_bytes(b"garbage")
    assert any("patches.index.parquet: not a readable table" in line for line in findings(results))


def test_verify_exits_with_1_and_lists_the_culprit(results: Path, audited: Project) -> None:
    command = [sys.executable, "-m", "reben.verify", str(results), "--sample", "4"]
    assert subprocess.run(command, cwd=audited.root, check=True, capture_output=True).stdout
    (results / "dataset/class_counts.csv").write_text("class\n")
    done = subprocess.run(command, cwd=audited.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "dataset/class_counts.csv: sha256: expected" in done.stdout
    (results / "audit/manifest.json").write_text("{}")
    done = subprocess.run(command, cwd=audited.root, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"error: {results}/audit/manifest.json: expected the manifest")
    done = subprocess.run([*command[:-1], "0"], capture_output=True, text=True, check=False)
    assert "--sample: invalid positive value: '0'" in done.stderr


#: Damage an LMDB in a build; True for the digest that goes with it in a forged audit.
@pytest.mark.parametrize("forged", [False, True])
def test_a_damaged_store_neither_kills_nor_hides_the_rest(
    results: Path, forged: bool, tmp_path: Path
) -> None:
    """The value of an entry reaches beyond the file, where LMDB itself would follow (SIGBUS)."""
    metadata_table = results / "dataset/metadata.parquet"
    with lmdb.open(str(results / LMDB), readonly=True, lock=False) as env, env.begin() as txn:
        key, value = next(iter(txn.cursor()))
    store = results / LMDB / "data.mdb"
    data = bytearray(store.read_bytes())
    node = data.index(len(value).to_bytes(4, "little") + b"\1\0" + len(key).to_bytes(2, "little"))
    data[node : node + 4] = (2**31).to_bytes(4, "little")
    store.write_bytes(data)
    if forged:
        manifest = read_json(Layout(results).manifest)
        manifest["outputs"]["lmdb"]["data.mdb"] = sha256_file(store)
        write_json(Layout(results).manifest, manifest)
    metadata_table.write_bytes(metadata_table.read_bytes()[:-1])
    done = subprocess.run(
        [sys.executable, "-m", "reben.verify", str(results)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"{LMDB}: data.mdb cannot be opened as an LMDB, it is damaged" in done.stdout
    assert "dataset/metadata.parquet: sha256: expected" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert re.match(r"\d+ findings in 2 tiles", last), done.stdout[-500:]


def test_the_end_of_the_checking_process_is_told(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = subprocess.CompletedProcess([], -signal.SIGBUS)
    monkeypatch.setattr(verifying.subprocess, "run", lambda command: killed)
    with pytest.raises(SystemExit, match="1"):
        verifying.watched([str(results)])
    assert "the check was ended by SIGBUS" in capsys.readouterr().out
