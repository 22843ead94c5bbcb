"""The additional targets: pages, archives, catalogue, and Snakemake's own report."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.workflow.builds import Project


def test_report_archives_and_catalogue_are_made_once_and_may_move(
    audited: Project, tmp_path: Path
) -> None:
    build = audited.copy(tmp_path / "project")
    targets = ("report", "archive", "catalogue", "audit")
    made = {*targets[:-1], "pack_archives"}
    assert build.jobs(*targets) == {name: set() for name in made}, "the audit is there"
    page = (build.results / "report/index.html").read_text(encoding="utf-8")
    assert 'id="provenance"' in page
    assert "inputs/corine.gpkg" in page
    tables = {"metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet"}
    packed = {"BigEarthNet-S1.tar.zst", "BigEarthNet-S2.tar.zst", "Reference_Maps.tar.zst"}
    entries = {"README.md", "collection.json", "items.parquet", "croissant.json"}
    entries.add("footprints.parquet")
    assert names(build.results / "archives") == packed | tables | entries | {"SHA256SUMS"}
    assert names(build.results / "dataset/BigEarthNet.lmdb") == {"data.mdb"}
    assert names(build.results / "dataset") >= tables | entries
    assert build.jobs(*targets) == {}
    for file in ("report/templates/style.css", "publish/templates/card.md"):
        path = build.root / "workflow/reben" / file
        path.write_text(path.read_text() + "\n")
    assert build.jobs(*targets) == {"report": set(), "catalogue": set(), "archive": set()}
    build.results.rename(build.root / "moved")
    build.config["results"] = "moved"
    assert build.jobs(*targets) == {}


def test_the_report_makes_the_audit_that_it_shows(small_project: Project, tmp_path: Path) -> None:
    done = small_project.copy(tmp_path / "project").snakemake("report", "--dry-run")
    assert "rule audit:" in done.stdout + done.stderr


def test_snakemakes_own_report_has_the_tables_and_their_captions(
    small_project: Project, tmp_path: Path
) -> None:
    build = small_project.copy(tmp_path / "project")
    build.snakemake("--report", "report.html")
    page = (build.root / "report.html").read_text(encoding="utf-8")
    for words in (
        "What became of every whole patch",
        "table I of the",
        "RADIOMETRIC_QUALITY",
        "built by reben from products.tsv",
        "class_counts.csv",
    ):
        assert words in page, words


def test_a_person_sees_a_bar_and_a_file_does_not(audited: Project) -> None:
    command = [sys.executable, "-m", "reben.verify", str(audited.results), "--sample", "1"]
    done = subprocess.run(command, cwd=audited.root, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    terminal, ours = pty.openpty()
    subprocess.run(command, cwd=audited.root, stdout=subprocess.DEVNULL, stderr=ours, check=True)
    os.close(ours)
    said = b""
    while chunk := _read(terminal):
        said += chunk
    os.close(terminal)
    assert b"verifying" in said
    assert b"100%" in said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed and everything is read
        return b""


def names(folder: Path) -> set[str]:
    """Of all files in a folder, hidden ones too."""
    return {path.name for path in folder.iterdir()}
