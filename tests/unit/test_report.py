"""The pages of the report: every number from the tables, and no errors in the browser."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Page

from reben.report import __main__ as report
from reben.report import charts
from reben.report.environment import share
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.errors import ConfigError
from reben.runtime.files import write_json
from tests.builds import NOMENCLATURE, TILES
from tests.pages import make


def test_numbers_are_those_of_the_tables(page: Page, pages: Path) -> None:
    dataset = pages.parent / "results" / "dataset"
    clear = pl.read_parquet(dataset / "metadata.parquet")
    both = pl.concat([clear, pl.read_parquet(dataset / OBSCURED_TABLE)])
    page.goto((pages / "index.html").as_uri())
    assert page.title() == "A <b> & c"
    assert page.locator("#kept").inner_text() == f"{len(both):,}"
    for split in ("train", "validation", "test"):
        expected = both.filter(pl.col("split") == split).height
        assert page.locator(f"#split-{split}").inner_text() == f"{expected:,}"
    rows = page.locator("#class-counts tbody tr").all()
    assert len(rows) == clear["labels"].explode().n_unique()
    for row in rows[:3]:
        name = row.locator("th").inner_text()
        expected = clear.filter(pl.col("labels").list.contains(name)).height
        assert row.locator("td").nth(3).inner_text() == f"{expected:,}"
    assert page.locator("#countries tbody td").last.inner_text() == f"{len(both):,}"
    funnel = page.locator("#funnel tbody tr", has_text="too few labelled pixels")
    selection = pl.read_parquet(dataset.parent / "tables" / "selection.parquet")
    dropped = selection.filter(pl.col("dropped_for") == "too few labelled pixels").height
    assert funnel.locator("td").first.inner_text() == f"{dropped:,}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_charts_are_drawn_and_nothing_is_wider_than_the_window(
    page: Page, pages: Path, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for name in ("index.html", f"{TILES[0]}.html", f"{TILES[2]}.html"):
        page.goto((pages / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width, name
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        assert page.evaluate(broken) == 0
    page.goto((pages / "index.html").as_uri())
    for marks, least in (("rect.heat", 100), ("path.tile", 3), ("#distances rect", 4)):
        boxes = page.locator(marks)
        assert boxes.count() >= least
        assert boxes.first.bounding_box()["height"] > 0  # type: ignore[index]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_large_numbers_have_room_on_a_phone(page: Page, pages: Path) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto((pages / "index.html").as_uri())
    cramped = """cells => cells.filter(cell => {
        cell.textContent = "307,814";
        return cell.scrollWidth > cell.clientWidth;
    }).length"""
    assert page.locator("#class-counts td.number").evaluate_all(cramped) == 0


def test_without_sentinel1_nothing_is_said_of_it(page: Page, tmp_path: Path) -> None:
    pages = make(tmp_path, tiles=TILES[:1], rejected=(), pictures=True, count=4)
    for file in pages.glob("*.html"):
        page.goto(file.as_uri())
        text = page.locator("header, main").all_inner_texts()
        assert "sentinel-1" not in " ".join(text).lower()


def test_ticks_are_round_and_reach_the_end() -> None:
    for reach in (0.72, 1.0, 3.6, 12.3, 99.0, 137.0):
        ticks = charts.round_ticks(reach)
        steps = np.diff(ticks)
        assert 3 <= len(ticks) <= 6
        assert float(f"{steps[0]:.0e}") == pytest.approx(steps[0])
        assert steps == pytest.approx(steps[0])
        assert reach - steps[0] < ticks[-1] <= reach


def test_files_are_linked_where_they_are(pages: Path, tmp_path: Path) -> None:
    results = str(pages.parent / "results")
    arguments = ["--results", results, "--nomenclature", str(NOMENCLATURE), "--out"]
    report.main([*arguments, str(tmp_path / "out"), "--files", "dataset/README.md"])
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert 'href="../dataset/README.md"' in text
    assert 'href="../dataset/metadata.parquet"' in text
    assert "croissant" not in text
    with pytest.raises(ConfigError, match=r"--files: expected some of .*, found \.\./secret"):
        report.main([*arguments, str(tmp_path / "no"), "--files", "../secret"])


def test_it_prints_light_and_without_controls(page: Page, pages: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto((pages / "index.html").as_uri())
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.locator("nav").is_visible()
    assert not page.locator("#explore").is_visible()
    assert page.pdf(format="A4")[:4] == b"%PDF"


def test_every_link_leads_to_a_page_or_section(pages: Path) -> None:
    for file in pages.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""src=["'](https?:)?//""", text)
        for target in re.findall(r'href="([^"]+)"', text):
            if target.startswith("#"):
                if "=" in target:
                    continue  # a filter
                assert f'id="{target[1:]}"' in text
            elif target.startswith("../"):
                assert (pages.parent / "results" / "report" / target).resolve().exists(), target
            elif not target.startswith(("data:", "https://spdx.org/licenses/")):
                assert (pages / target.partition("#")[0]).is_file(), target


@pytest.mark.parametrize(
    "options",
    [
        {"scl": False},
        {"tiles": TILES[:1], "rejected": ()},
        {"tiles": TILES[2:]},
        {"unlabelled_fraction": 1.0},
    ],
    ids=["without SCL", "one tile", "all rejected", "nothing kept"],
)
def test_poorer_datasets_make_good_pages(
    page: Page, tmp_path: Path, options: dict[str, object]
) -> None:
    pages = make(tmp_path, **options)
    page.goto((pages / "index.html").as_uri())
    text = page.locator("body").inner_text()
    assert "nan" not in text
    assert "None" not in text
    assert ("unknown" in text) == ("scl" in options)
    for file in pages.glob("S2*.html"):
        assert "<img" in file.read_text(encoding="utf-8")


def test_the_same_build_gives_the_same_pages(pages: Path, tmp_path: Path) -> None:
    again = make(tmp_path, pictures=True, count=6, sentinel1=tmp_path / "s1")
    for file in pages.glob("*.html"):
        assert file.read_bytes() == (again / file.name).read_bytes(), file.name


def test_provenance_comes_from_the_audit(page: Page, pages: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    write_json(manifest, MANIFEST)
    arguments = ["--results", str(pages.parent / "results"), "--nomenclature", str(NOMENCLATURE)]
    report.main([*arguments, "--manifest", str(manifest), "--out", str(tmp_path / "out")])
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto((tmp_path / "out" / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    section = page.locator("#provenance")
    for row in (
        ("corine.path", "data/<clc>.gpkg\nSHA-256 12ab"),
        ("countries.path", "gone.gpkg\ngone"),
        ("lmdb.include", "s2, s1"),
        ("split.p", "0.25"),
        ("reben", "git commit c0ffee, with uncommitted changes"),
        ("gdal", "3.10"),
        ("patches", "99ff"),
    ):
        name = page.locator("th", has_text=re.compile(rf"^{re.escape(row[0])}$"))
        found = section.locator("tr", has=name)
        assert (row[0], found.locator("td").inner_text()) == row
    assert "one product carries an offset" in section.inner_text()
    assert section.locator("th", has_text="sentinel1").count() == 0, "it is not set"
    assert section.locator("th", has_text="sen2cor").count() == 0, "it did not run"
    assert 'id="provenance"' not in (pages / "index.html").read_text(encoding="utf-8")


MANIFEST = {
    "warnings": ["one product carries an offset"],
    "inputs": {
        "files": {
            "corine.path": {"path": "data/<clc>.gpkg", "sha256": "12ab", "release": None},
            "countries.path": {"path": "gone.gpkg", "sha256": None},
        }
    },
    "config": {
        "corine": {"path": "data/<clc>.gpkg"},
        "lmdb": {"include": ["s2", "s1"]},
        "sentinel1": {"root": None, "missing": "drop"},
        "split": {"p": 0.25},
    },
    "software": dict.fromkeys(("snakemake", "python", "proj", "geos", "openjpeg"), "1")
    | {"gdal": "3.10", "sen2cor": None, "platform": {"system": "Linux"}},
    "code": {"git": {"commit": "c0ffee", "clean": False}},
    "outputs": {"global": {"patches": "99ff"}},
}


def test_shares_are_not_rounded_to_none_or_all() -> None:
    found = [share(number) for number in (0, 0.0001, 0.0005, 0.5, 0.9994, 0.9999, 1)]
    assert found == ["0.0%", "< 0.1%", "0.1%", "50.0%", "99.9%", "> 99.9%", "100.0%"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_on_colours_have_contrast(page: Page, pages: Path, scheme: str) -> None:
    """At least 4.5 between the percent and its square, 3 where the square is in between."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto((pages / "index.html").as_uri())
    squares = page.evaluate(
        """[...document.querySelectorAll("rect.heat")].map(rect => {
            const text = (rect.closest("a") ?? rect).nextElementSibling;
            const ink = text && text.matches("text.share") ? getComputedStyle(text).fill : null;
            const body = getComputedStyle(document.body).backgroundColor;
            const style = getComputedStyle(rect);
            return [ink, style.fill, Number(style.fillOpacity), body];
        }).filter(square => square[0])"""
    )
    assert len(squares) > 50
    for ink, fill, opacity, paper in squares:
        under = [
            opacity * a + (1 - opacity) * b for a, b in zip(rgb(fill), rgb(paper), strict=True)
        ]
        contrast = sorted([luminance(rgb(ink)), luminance(under)])
        least = 3 if 0.4 < opacity < 0.95 else 4.5
        assert (contrast[1] + 0.05) / (contrast[0] + 0.05) >= least, (scheme, opacity)


def rgb(colour: str) -> list[float]:
    return [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]


def luminance(colour: list[float]) -> float:
    """Relative luminance, WCAG 2."""
    linear = np.where(
        np.array(colour) <= 10,
        np.array(colour) / 3294.6,
        ((np.array(colour) / 255 + 0.055) / 1.055) ** 2.4,
    )
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_print_keeps_the_wide_layout_and_hides_what_needs_a_mouse(page: Page, pages: Path) -> None:
    page.set_viewport_size({"width": 700, "height": 900})  # about A4
    page.goto((pages / "index.html").as_uri())
    columns = "getComputedStyle(document.querySelector('.three')).gridTemplateColumns.split(' ')"
    assert len(page.evaluate(columns)) == 1
    page.emulate_media(media="print")
    assert len(page.evaluate(columns)) == 3
    assert page.locator("#class-counts tr").first.evaluate("e => getComputedStyle(e).display") == (
        "table-row"
    )
    assert page.locator(".on-screen:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
