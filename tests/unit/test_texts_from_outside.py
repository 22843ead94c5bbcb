"""Names of indicators, classes and countries stay text: in CSVs, on the card, on the terminal."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from reben import changes, funnel, show
from reben.domain.grid import TileSquare
from reben.funnel import quality_table
from reben.land_cover.nomenclature import read_nomenclature
from reben.publish.card import plain, write_card
from reben.results.csv_text import to_csv
from reben.results.facts import gather_facts
from reben.results.finished import read_build
from reben.results.layout import Layout
from reben.runtime.errors import ConfigError
from tests.builds import TILES, a_verdict, write_build

SQUARE = TileSquare(32633, 300_000, 5_400_000, 4200)
FORMULAS = ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_and_no_column_is_a_formula(text: str) -> None:
    frame = pl.DataFrame({"n": [-1, 2], text: [text, "plain"], "none": [None, "x"]})
    (one, two, three), *rows = csv.reader(io.StringIO(to_csv(frame), newline=""))
    assert (one, two, three) == ("n", f"'{text}", "none")
    assert rows == [["-1", f"'{text}", ""], ["2", "plain", "x"]]


def test_plain_tables_are_as_polars_writes_them() -> None:
    frame = pl.DataFrame({"a": ["x, y", None, 'a "b"'], "b": [1.5, -2.0, None], "c": [True] * 3})
    assert to_csv(frame) == frame.write_csv()


@pytest.mark.parametrize(
    "name",
    ["tile", "verdict", "reasons", "cloud_cover_percent", "sensing_time", "relative_orbit"],
)
def test_an_indicator_named_like_a_column_overwrites_none(name: str) -> None:
    """The names come from the XML of a product."""
    honest = a_verdict(TILES[0], SQUARE)
    hostile = a_verdict(
        TILES[0], SQUARE,
        indicators={**honest.indicators, name: "PASSED", f"indicator {name}": "FAILED"},
    )  # fmt: skip
    row, expected = (quality_table([v]).row(0, named=True) for v in (hostile, honest))
    assert {key: row[key] for key in expected} == expected
    assert row[f"indicator {name}"] == "FAILED"
    assert row[f"indicator indicator {name}"] == "PASSED"


@pytest.mark.parametrize("text", [*FORMULAS[:4], "a\x07b", "a\u202eb"])
def test_a_class_is_no_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "classes.csv"
    quoted = text.replace('"', '""')
    path.write_text(f'code,class\n111,"{quoted}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"classes.csv, line 2: the class .* rename it"):
        read_nomenclature(path)


HTML = '<script>alert("x")</script> | *a* [b](javascript:c) `d`'


def test_the_card_shows_names_as_they_are(tmp_path: Path) -> None:
    build = read_build(write_build(tmp_path / "results"))
    facts = gather_facts(
        build, name="x", version="1.0.0", licence="CC-BY-4.0", citation=f"{HTML} <https://doi.org/1>",
        published=None,
    )  # fmt: skip
    rows = [{**row, "class": HTML} for row in build.class_counts]
    card = write_card(facts, "lmdb", rows)
    assert "<script>" not in card
    assert '&lt;script&gt;alert("x")&lt;/script&gt; \\| \\*a\\* \\[b\\](javascript:c)' in card
    assert "<https://doi.org/1>" in card
    for name in read_nomenclature("resources/nomenclature/bigearthnet_43.csv").values():
        assert plain(name) == name


def test_the_terminal_shows_names_as_they_are(tmp_path: Path) -> None:
    build = read_build(write_build(tmp_path / "results"))
    row = show.find_patch(build, build.metadata["patch_id"][0])
    row |= {"labels": ["[/red]", "[bold]"], "country": "[/]"}
    console = Console(width=200)
    with console.capture() as capture:
        console.print(show.describe(build, row))
    assert "[/red]" in capture.get()
    assert "[bold]" in capture.get()


def test_the_table_of_changes_holds_no_formula(tmp_path: Path) -> None:
    """The classes of a build of before may be any text."""
    row = {"patch_id": ["x"], "appear": [["=1", "b"]], "vanish": [["a"]]}
    changes.write_changes(tmp_path / "c.csv", pl.DataFrame(row))
    assert (tmp_path / "c.csv").read_text() == "patch_id,appear,vanish\nx,'=1; b,a\n"


def test_the_table_of_products_holds_no_formula(tmp_path: Path) -> None:
    results = write_build(tmp_path / "results")
    verdicts = [results / "quality" / f"{tile}.json" for tile in TILES]
    hostile = a_verdict(TILES[0], SQUARE, indicators={"GENERAL_QUALITY": "=1", "@x": "PASSED"})
    hostile.write(verdicts[0])
    funnel.main(
        ["--quality", *map(str, verdicts), "--out-quality", str(tmp_path / "q.csv")]
        + ["--selection", str(results / "tables/selection.parquet")]
        + ["--obscured", str(Layout(results).obscured), "--patch-side-m", "240"]
        + ["--out-funnel", str(tmp_path / "f.csv")]
    )
    row, *_ = csv.DictReader(io.StringIO((tmp_path / "q.csv").read_text()))
    assert (row["GENERAL_QUALITY"], row["'@x"]) == ("'=1", "PASSED")
