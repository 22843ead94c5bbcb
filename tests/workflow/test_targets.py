"""The additional targets: pictures, report, archives, catalogue, audit, verification."""

import hashlib
import io
import tarfile
from pathlib import Path

import polars as pl
import pytest
import zstandard

from reben.verify import __main__ as verify
from tests.workflow.builds import TILES, Project

TARGETS = ("draw_overview", "report", "archive", "catalogue")


@pytest.fixture(scope="module")
def looked_at(audited: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small build with all of its targets. Read only."""
    build = audited.copy(tmp_path_factory.mktemp("targets") / "project")
    made = (*TARGETS, "pack_archives")
    assert build.jobs(*TARGETS) == {target: set() for target in made}
    return build


@pytest.fixture(scope="module")
def in_tars(looked_at: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with `patches.container: tar`, where HOME cannot be written. Read only."""
    build = looked_at.copy(tmp_path_factory.mktemp("tars") / "project")
    build.config["patches"] = {"container": "tar"}
    profile = "--workflow-profile=workflow/profiles/default"
    homeless = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": ""}
    build.snakemake(profile, "audit", *TARGETS, env=homeless)
    return build


def sums(build: Project) -> dict[str, str]:
    text = (build.results / "archives/SHA256SUMS").read_text()
    found = {name: digest for digest, name in (line.split("  ") for line in text.splitlines())}
    return {name: digest for name, digest in found.items() if name.endswith(".tar.zst")}


def names(archive: Path) -> list[str]:
    packed = archive.read_bytes()
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return tar.getnames()


def test_archives_hold_the_patches_of_the_dataset(looked_at: Project) -> None:
    dataset = looked_at.results / "dataset"
    patches = {name for table in dataset.glob("metadata_for*") for name in ids(table)}
    patches |= set(ids(dataset / "metadata.parquet"))
    expected = {"BigEarthNet-S2": 12, "BigEarthNet-S1": 2, "Reference_Maps": 1}
    for name, digest in sums(looked_at).items():
        archive = looked_at.results / "archives" / name
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest
        files = names(archive)
        assert len(files) == expected.pop(name.removesuffix(".tar.zst")) * len(patches)
    assert not expected


def ids(table: Path) -> list[str]:
    return pl.read_parquet(table)["patch_id"].to_list()


def test_the_report_has_a_page_for_every_tile(looked_at: Project) -> None:
    report = looked_at.results / "report"
    assert {page.stem for page in report.glob("*.html")} == {"index", *TILES}


def test_the_report_links_the_page_of_trained_models(looked_at: Project, tmp_path: Path) -> None:
    build = looked_at.copy(tmp_path / "project")
    page = build.results / "report" / "index.html"
    assert "table2.html" not in page.read_text()
    (build.results / "models").mkdir()
    (build.results / "models/table2.html").write_text("<!DOCTYPE html><title>Models</title>")
    assert build.jobs("report") == {"report": set()}
    assert 'href="../models/table2.html"' in page.read_text()


def test_targets_made_once_are_up_to_date(
    looked_at: Project, in_tars: Project, tmp_path: Path
) -> None:
    for build in (looked_at, in_tars):
        assert build.copy(tmp_path / build.root.parent.name).jobs("audit", "all", *TARGETS) == {}


def test_settings_of_pages_and_training_leave_the_dataset_and_its_audit_alone(
    looked_at: Project, tmp_path: Path
) -> None:
    build = looked_at.copy(tmp_path / "copy")
    build.config |= {"report": {"patches_per_tile": 3}, "training": {"epochs": 7}}
    assert build.jobs("-n", "audit", "all", *TARGETS) == {"report": set()}


def test_tars_make_no_difference_to_what_is_made_of_them(
    looked_at: Project, in_tars: Project
) -> None:
    assert (in_tars.results / "patches" / TILES[0] / "patches.tar").is_file()
    assert sums(in_tars) == sums(looked_at)
    for file in ("overview.png", "collection.json", "croissant.json", "README.md", "items.parquet"):
        same = [(build.results / "dataset" / file).read_bytes() for build in (looked_at, in_tars)]
        assert same[0] == same[1], file
    for tile in TILES:  # the index shows the config, which differs
        pages = [(b.results / f"report/{tile}.html").read_bytes() for b in (looked_at, in_tars)]
        assert pages[0] == pages[1], tile


def test_verify_reads_tars(in_tars: Project, capsys: pytest.CaptureFixture[str]) -> None:
    verify.main([str(in_tars.results)])
    assert "0 findings in 2 tiles" in capsys.readouterr().out


def test_a_dataset_without_patches_can_be_looked_at_but_not_described(
    small_project: Project, tmp_path: Path
) -> None:
    """One tile, rejected, and neither Sentinel-1 nor countries."""
    build = small_project.copy(tmp_path / "project")
    table = build.root / "products.tsv"
    table.write_text("".join(s for s in table.read_text().splitlines(True) if "T33UUP" not in s))
    build.config = {key: build.config[key] for key in ("results", "products", "corine")}
    build.config["quality"] = {"required": ["FORMAT_CORRECTNESS"]}
    build.snakemake("draw_overview", "report", "pack_archives")
    assert [len(names(build.results / "archives" / name)) for name in sums(build)] == [0, 0]
    said = build.failing("catalogue")
    assert "results: expected patches in the metadata tables, found none" in said
