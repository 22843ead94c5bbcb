"""Exploring the report in a browser: filters, search, links, maps, patches."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Locator, Page, expect
from pyproj import Transformer

from reben.domain.name_columns import tile_of_patch
from reben.domain.names import PatchName, ProductName
from reben.results.finished import read_build
from tests.builds import CLASSES, TILES
from tests.pages import make


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
