"""The pages of the report: every number from the tables, and no errors in the browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from pyproj import Transformer

from reben.domain.name_columns import tile_of_patch
from reben.domain.names import PatchName, ProductName
from reben.report import __main__ as report
from reben.report import charts, counts, distances
from reben.report.environment import share
from reben.results.finished import read_build
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.errors import ConfigError
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


def test_gallery_opens_and_turns_by_keyboard(page: Page, pages: Path) -> None:
    page.goto((pages / f"{TILES[0]}.html").as_uri())
    cards = page.locator(".gallery > li")
    assert cards.count() > 10
    assert cards.first.locator(".caption:visible").all_inner_texts() == [
        *("True colour", "Sentinel-1", "Reference map")
    ]
    first = cards.first.locator(".card")
    first.focus()
    page.keyboard.press("Enter")
    names = page.locator("dialog .name").first
    assert names.inner_text().startswith(name_of(cards.first))
    assert page.locator("dialog .caption").all_inner_texts() == [
        *("True colour", "False colour", "Short-wave infrared", "NDVI"),
        *("Sentinel-1", "Reference map"),
    ]
    page.keyboard.press("ArrowRight")
    assert names.inner_text().startswith(name_of(cards.nth(1)))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert names.inner_text().startswith(name_of(cards.last))
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.className") == "card"
    page.locator("input[value='too few labelled pixels']").check()
    shown = page.locator(".gallery > li:visible")
    assert 0 < shown.count() < cards.count()
    assert all("too few" in text for text in shown.locator(".fate").all_inner_texts())


def name_of(card: Locator) -> str:
    return card.get_attribute("data-patch") or ""


def dataset(pages: Path) -> pl.DataFrame:
    """All rows of both tables, with ``tile``."""
    build = read_build(pages.parent / "results")
    return build.metadata.with_columns(tile=tile_of_patch())


def found(page: Page) -> int:
    """How many patches the filters find."""
    return int(page.locator(".found").inner_text().split(" of ")[0].replace(",", ""))


def test_filters_find_what_the_tables_have(page: Page, pages: Path) -> None:
    rows = dataset(pages)
    page.goto((pages / "index.html").as_uri())
    assert found(page) == len(rows)
    page.select_option("[name=split]", "test")
    assert found(page) == rows.filter(pl.col("split") == "test").height
    page.select_option("[name=month]", "2018-04")
    here = rows.filter(pl.col("split") == "test", pl.col("tile") == TILES[1])
    assert 0 < found(page) == len(here) < len(rows)
    page.locator(".choose summary").click()
    page.locator(f"[name=class][value='{CLASSES[0]}']").check()
    page.locator(f"[name=class][value='{CLASSES[1]}']").check()
    both = here.filter(pl.col("labels").list.contains(c) for c in CLASSES[:2])
    assert found(page) == len(both)
    links = page.locator(".results a").evaluate_all("all => all.map((a) => a.title)")
    assert sorted(links) == both["patch_id"].to_list()[:24]
    page.locator("[type=reset]").click()
    page.select_option("[name=sky]", "cloud")
    assert 0 < found(page) == rows["contains_cloud_or_shadow"].sum()
    page.reload()
    assert found(page) == rows["contains_cloud_or_shadow"].sum(), "the address has the filters"


@pytest.mark.parametrize(
    ("text", "patches"),
    [
        ("t33uup_03_04", [f"{TILES[0]}_03_04"]),
        ("33UUP_3_4", [f"{TILES[0]}_03_04"]),
        (f"{TILES[0]}_03_04", [f"{TILES[0]}_03_04"]),
        ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_3_4", [f"{TILES[0]}_03_04"]),
        ("03_04", [f"{TILES[0]}_03_04", f"{TILES[1]}_03_04"]),
        ("T33UUP_99_99", []),
    ],
)
def test_search_finds_a_patch_by_any_of_its_names(
    page: Page, pages: Path, text: str, patches: list[str]
) -> None:
    page.goto((pages / "index.html").as_uri())
    page.fill("[name=text]", text)
    kept = set(dataset(pages)["patch_id"])
    links = page.locator(".results a").evaluate_all("all => all.map((a) => a.title)")
    assert links == [patch for patch in patches if patch in kept]
    assert not patches or links


def test_search_by_part_of_a_name(page: Page, pages: Path) -> None:
    rows = dataset(pages)
    page.goto((pages / "index.html").as_uri())
    for text, expected in (
        ("32tmt", pl.col("tile") == TILES[1]),
        ("20170613", pl.col("tile") == TILES[0]),
        ("T33UUP_02_", pl.col("patch_id").str.starts_with(f"{TILES[0]}_02_")),
    ):
        page.fill("[name=text]", text)
        assert 0 < found(page) == rows.filter(expected).height, text


def test_classes_and_squares_lead_to_their_patches(page: Page, pages: Path) -> None:
    page.goto((pages / "index.html").as_uri())
    row = page.locator("#class-counts tbody tr").first
    row.locator("a").click()
    assert found(page) == int(row.locator("td").nth(3).inner_text())
    square = page.locator("#together a:has(rect.heat)").first
    words = square.locator("title").text_content() or ""
    square.locator("rect").click()
    assert words.endswith(f"({found(page)})"), words


def test_a_patch_has_a_link(page: Page, pages: Path) -> None:
    build = read_build(pages.parent / "results")
    row = build.metadata.filter(pl.col("s1_name").is_not_null()).row(-1, named=True)
    patch = row["patch_id"]
    name = PatchName.parse(patch)
    short = f"{ProductName.parse(name.tile).mgrs}_{name.place}"
    page.goto(f"{(pages / 'index.html').as_uri()}#patch={short}")
    page.wait_for_url(f"{(pages / name.tile).as_uri()}.html#patch={patch}")
    dialog = page.locator("dialog")
    names = [text.removesuffix(" Copy") for text in dialog.locator(".name").all_inner_texts()]
    assert names == [patch, row["s1_name"]]
    assert row["split"] in dialog.locator("h2").inner_text()
    labels = dialog.locator(".shares li:not(.faint) span:nth-child(2)").all_inner_texts()
    assert sorted(labels) == sorted(row["labels"])
    percents = dialog.locator(".shares b").all_inner_texts()
    assert sum(float(text.strip("<> %")) for text in percents) == pytest.approx(100, abs=1)
    assert dialog.locator("a").get_attribute("href").startswith("https://www.openstreetmap.org/")  # type: ignore[union-attr]
    page.keyboard.press("Escape")
    expect(page).to_have_url((pages / f"{name.tile}.html").as_uri())


def test_places_are_where_the_projection_has_them(page: Page, pages: Path) -> None:
    build = read_build(pages.parent / "results")
    row = build.patches.filter(pl.col("tile") == TILES[1], pl.col("valid")).row(-1, named=True)
    page.goto(f"{(pages / TILES[1]).as_uri()}.html#patch={row['patch_id']}")
    shown = page.locator(".facts-of-patch dd").nth(1).inner_text()
    lat, lon = (float(text) for text in shown.split(" (")[0].split(", "))
    to_degrees = Transformer.from_crs(f"EPSG:{row['epsg']}", "EPSG:4326", always_xy=True)
    x, y = (row["x_min"] + row["x_max"]) / 2, (row["y_min"] + row["y_max"]) / 2
    assert (lon, lat) == pytest.approx(to_degrees.transform(x, y), abs=1e-4)


def test_the_legend_of_a_patch_shows_where_its_class_is(page: Page, pages: Path) -> None:
    page.goto((pages / f"{TILES[0]}.html").as_uri())
    page.locator(".gallery .card").first.click()
    legend = page.locator(".shares li")
    pixels = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    legend.first.focus()
    dimmed = np.array(page.locator("dialog canvas").evaluate(pixels)).reshape(-1, 4)[:, 3] > 0
    assert page.locator("dialog canvas").count() == 1
    legend.first.blur()
    assert page.locator("dialog canvas").count() == 0
    assert dimmed.any()


def test_the_grid_opens_patches_by_mouse_and_keyboard(page: Page, pages: Path) -> None:
    page.goto((pages / f"{TILES[0]}.html").as_uri())
    grid, about = page.locator(".grid"), page.locator(".at")
    box = grid.bounding_box()
    assert box
    at = {"x": box["width"] * 3.5 / 6, "y": box["height"] * 2.5 / 6}
    grid.hover(position=at)  # type: ignore[arg-type]
    assert about.inner_text().startswith("03_02: ")
    grid.click(position=at)  # type: ignore[arg-type]
    assert "03_02" in page.locator("dialog h2").inner_text()
    page.keyboard.press("Escape")
    grid.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert about.inner_text().startswith("04_03: ")
    page.keyboard.press("Enter")
    assert "04_03" in page.locator("dialog h2").inner_text()


def test_the_map_zooms_and_leads_to_tiles_by_mouse_and_keyboard(page: Page, pages: Path) -> None:
    page.goto((pages / "index.html").as_uri())
    svg = page.locator(".map svg")
    width = "s => Number(s.getAttribute('viewBox').split(' ')[2])"
    whole = svg.evaluate(width)
    assert page.locator(".graticule text").count() > 2
    assert page.locator(".country:visible").count() > 0
    svg.evaluate("s => s.scrollIntoView({block: 'center'})")
    box = page.locator("path.tile").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    for _ in range(8):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(svg).to_have_class(re.compile("near"))
    assert page.locator(".map image:visible").first.get_attribute("href").startswith("data:")  # type: ignore[union-attr]
    near = svg.evaluate("s => s.getAttribute('viewBox')")
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 40, steps=4)
    page.mouse.up()
    assert svg.evaluate("s => s.getAttribute('viewBox')") != near
    assert page.url.endswith("index.html"), "a tile that was only moved is no link"
    page.locator(".map").focus()
    page.keyboard.press("0")
    assert svg.evaluate(width) == whole
    page.keyboard.press("+")
    assert svg.evaluate(width) == pytest.approx(whole / 1.5)
    page.keyboard.press("-")
    page.locator(".map a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{TILES[0]}.html")


def test_degrees_on_the_map_are_right_at_180_and_nothing_covers_them(
    page: Page, tmp_path: Path
) -> None:
    pages = make(tmp_path, tiles=["S2A_MSIL2A_20180629T223531_N9999_R058_T01UAB"], count=4)
    page.goto((pages / "index.html").as_uri())
    labels = page.locator(".graticule text")
    texts = labels.all_text_contents()
    assert "180°" in texts
    assert any(text.endswith("° E") for text in texts)
    assert any(text.endswith("° W") for text in texts)
    scale = page.locator(".scale").bounding_box()
    assert scale
    for label in labels.all():
        box = label.bounding_box()
        assert box
        assert box["y"] + box["height"] < scale["y"] or box["x"] > scale["x"] + scale["width"]


def test_code_and_names_can_be_copied(page: Page, pages: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto((pages / "index.html").as_uri())
    page.locator("[data-copy-from=loader]").click()
    assert "from reben.dataset import BigEarthNet" in page.evaluate(
        "navigator.clipboard.readText()"
    )
    with page.expect_download() as saved:
        page.locator("[data-save]").click()
    names = Path(saved.value.path()).read_text().split()
    assert names == dataset(pages)["patch_id"].to_list()


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
