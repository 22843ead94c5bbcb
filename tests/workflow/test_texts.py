"""Free texts of the config may hold braces, which Snakemake would take for wildcards."""

from pathlib import Path

from tests.workflow.builds import new_small_build

BRACES = 'Doe {2020}, {x} {wildcards.tile} {input} }{ {{a}} "q"'


def test_braces_in_every_text_can_be_planned(tmp_path: Path) -> None:
    build = new_small_build(tmp_path / "project")
    build.config["corine"] |= {"layer": BRACES, "release": BRACES, "code_column": BRACES}
    build.config["countries"] |= {"name_column": BRACES, "names": [BRACES]}
    build.config["dataset"] = {"citation": BRACES}
    build.config["sen2cor"] = {"command": BRACES}
    done = build.snakemake("-n", "all", "audit", "catalogue", "archive", "report", "draw_overview")
    assert "This was a dry-run" in done.stdout + done.stderr
    assert "catalogue" in done.stdout + done.stderr


def test_a_citation_with_braces_reaches_the_card_and_the_audit(tmp_path: Path) -> None:
    build = new_small_build(tmp_path / "project")
    build.config["dataset"] = {"citation": BRACES}
    build.snakemake("audit", "catalogue")
    assert BRACES in (build.results / "dataset/README.md").read_text()
    assert "{wildcards.tile} {input}" in (build.results / "audit/config.json").read_text()
