"""The pages of the report: every number from the tables, and no errors in the browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reben.report import __main__ as report
from reben.report import counts, distances
from reben.report.environment import share
from reben.results.finished import read_build
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.files import write_json
from tests.builds import CLASSES, NOMENCLATURE, TILES, write_build

CHROMIUM = Path(os.environ.get("REBEN_CHROMIUM", "/usr/bin/chromium"))


def make(folder: Path, **options: object) -> Path:
    """A build and its report; the folder of the pages."""
    results = write_build(folder / "results", **options)  # type: ignore[arg-type]
    sentinel1 = options.get("sentinel1")
    more = ["--sentinel1", str(sentinel1)] if sentinel1 else []
    report.main(
        ["--results", str(results), "--nomenclature", str(NOMENCLATURE), "--name", "A <b> & c"]
        + ["--out", str(folder / "report"), *more]
    )
    return folder / "report"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return make(folder, pictures=True, count=6, sentinel1=folder / "s1")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("REBEN_REQUIRE_BROWSER"):
            pytest.fail(f"REBEN_REQUIRE_BROWSER is set, but {CHROMIUM} is not there")
        pytest.skip(f"{CHROMIUM} is not there: apt-get install chromium, or set REBEN_CHROMIUM")
    switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    switches += "--disable-background-networking --disable-component-update --disable-sync"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=switches.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test on any error, and on any request beyond its own file."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if beyond(request.url) else 0)
    yield page
    page.close()
    assert complaints == []


def beyond(url: str) -> bool:
    page = url.startswith("file:") and url.endswith(".html")
    return not page and not url.startswith("data:")


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
    assert len(rows) == len(CLASSES)
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
    for marks, least in (("rect.heat", 100), ("path.tile", 3), ("#distances rect", 6)):
        boxes = page.locator(marks)
        assert boxes.count() >= least
        assert boxes.first.bounding_box()["height"] > 0  # type: ignore[index]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_gallery_opens_and_turns_by_keyboard(page: Page, pages: Path) -> None:
    page.goto((pages / "index.html").as_uri())
    cards = page.locator(".gallery > li")
    assert cards.count() > 10
    assert {"Sentinel-2", "Sentinel-1", "Reference map"} <= set(
        cards.first.locator(".caption").all_inner_texts()
    )
    first = cards.first.locator(".card")
    first.focus()
    page.keyboard.press("Enter")
    names = page.locator("dialog .name").first
    assert names.inner_text() == cards.first.locator(".name").first.inner_text()
    page.keyboard.press("ArrowRight")
    assert names.inner_text() == cards.nth(1).locator(".name").first.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert names.inner_text() == cards.last.locator(".name").first.inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.className") == "card"
    page.locator("input[value='too few labelled pixels']").check()
    shown = page.locator(".gallery > li:visible")
    assert 0 < shown.count() < cards.count()
    assert all("too few" in text for text in shown.locator(".fate").all_inner_texts())


def test_it_prints_light_and_without_controls(page: Page, pages: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto((pages / "index.html").as_uri())
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.locator("nav").is_visible()
    assert page.pdf(format="A4")[:4] == b"%PDF"


def test_every_link_leads_to_a_page_or_section(pages: Path) -> None:
    for file in pages.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
        for target in re.findall(r'href="([^"]+)"', text):
            if target.startswith("#"):
                assert f'id="{target[1:]}"' in text
            elif not target.startswith("data:"):
                assert (pages / target).is_file(), target


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
    assert "are not available" in text


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
        found = section.locator("tr", has=page.locator(f"th:text-is('{row[0]}')"))
        assert (row[0], found.locator("td").inner_text()) == row
    assert "one product carries an offset" in section.inner_text()
    assert section.locator("th", has_text="sentinel1.root").count() == 0, "it is not set"
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
        "sentinel1": {"root": None},
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
            const text = rect.nextElementSibling;
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
    assert not page.locator(".on-screen").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700


def test_distances_equal_those_of_every_pair(pages: Path) -> None:
    patches = read_build(pages.parent / "results").patches.filter(pl.col("dropped_for").is_null())
    ours = distances.compare_splits(patches)[0]
    for split, found in ours.to_train.items():
        expected = []
        for _, tile in patches.group_by("tile", maintain_order=True):
            xy = tile.select((pl.col("x_min") + 120) * 1.0, (pl.col("y_min") + 120) * 1.0)
            train = xy.filter(tile["split"] == "train").to_numpy()
            here = xy.filter(tile["split"] == split).to_numpy()
            expected += np.hypot(*(here[:, None] - train).T).min(axis=0).tolist()
        np.testing.assert_allclose(np.sort(found), np.sort(expected))


def test_other_splits_have_the_same_shares_and_blocks_stay_whole(pages: Path) -> None:
    patches = read_build(pages.parent / "results").patches.filter(pl.col("dropped_for").is_null())
    split = patches["split"].to_numpy()
    assert sorted(distances.random_split(split)) == sorted(split)
    dealt = patches.with_columns(dealt=pl.Series(distances.grid_split(patches, 2)))
    blocks = dealt.group_by("tile", pl.col("col") // 2, pl.col("row") // 2)
    assert blocks.agg(pl.col("dealt").n_unique())["dealt"].max() == 1
    assert dealt.filter(pl.col("dealt") == "train").height == pytest.approx(
        (split == "train").sum(), rel=0.2
    )


def test_neighbours_in_another_zone_count(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "epsg": [32632, 32633],
            # Both are near 12° east, 52° north, in their own zones.
            "x_min": [704_000, 294_000],
            "x_max": [705_200, 295_200],
            "y_min": [5_765_000, 5_765_000],
            "y_max": [5_766_200, 5_766_200],
        }
    )
    places = distances.Places.of(frame)
    found = places.to_train(np.array(["train", "test"], object))
    assert 0 < found["test"][0] < 5000


def test_co_occurrence_counts_pairs() -> None:
    metadata = pl.DataFrame({"labels": [["a", "b"], ["a"], ["a", "c"], []]})
    pairs = counts.co_occurrence(metadata, ["a", "b", "c", "d"])
    assert pairs.classes == ["a", "b", "c"]
    assert pairs.together.tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]
    assert pairs.shares[1, 0] == 1.0
