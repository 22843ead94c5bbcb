"""Names, colours and credit of another map than CORINE, in everything that people read."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from reben import overview, show
from reben.land_cover.legend import Legend, corine_legend
from reben.pictures.painting import paint_codes, rgb_of
from reben.publish import __main__ as publish
from reben.report import __main__ as report
from reben.results.finished import FinishedBuild, read_build
from reben.results.layout import Layout
from reben.runtime.files import write_json
from tests.builds import NOMENCLATURE, write_build

OTHER = Legend(
    "Moon map", "Moon: © craters", {}, {211: ("Regolith", "#102030"), 112: ("Crater", "#405060")}
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> FinishedBuild:
    """A finished build whose clips were made from another map."""
    results = write_build(tmp_path_factory.mktemp("build") / "results", pictures=True, count=3)
    write_json(Layout(results).clip_manifest, {"legend": OTHER.to_dict(), "tiles": {}})
    return read_build(results)


def test_the_legend_is_that_of_the_clips(build: FinishedBuild, tmp_path: Path) -> None:
    assert build.legend == OTHER
    write_json(Layout(tmp_path).clip_manifest, {"tiles": {}})
    of_polygons = FinishedBuild(Layout(tmp_path), [], build.metadata)
    assert of_polygons.legend == corine_legend()


def test_codes_have_the_colours_of_the_legend_and_others_are_striped() -> None:
    picture = paint_codes(
        np.array([[211] * 8, [112] * 8, [999] * 8, [20_000] * 8], "uint16"), OTHER
    )
    rows = [{tuple(pixel) for pixel in row.tolist()} for row in picture]
    assert rows[:2] == [{rgb_of("#102030")}, {rgb_of("#405060")}]
    assert rows[2] == rows[3] == {(255, 255, 255), (190, 190, 190)}


def test_the_pages_name_and_credit_the_map(build: FinishedBuild, tmp_path: Path) -> None:
    report.main(
        ["--results", str(build.layout.root), "--nomenclature", str(NOMENCLATURE)]
        + ["--out", str(tmp_path / "report")]
    )
    text = (tmp_path / "report/index.html").read_text()
    assert "Contains modified Copernicus Sentinel data. Moon: © craters." in text
    tiles = [path.read_text() for path in (tmp_path / "report").glob("S2*.html")]
    shown = [tile for tile in tiles if "the colours of Moon map" in tile]
    assert (len(tiles), len(shown)) == (3, 2), "one tile was rejected"
    assert any("background:#102030" in tile for tile in shown)
    assert not any("CORINE" in page for page in (text, *tiles))


def test_card_and_catalogue_name_and_credit_the_map(build: FinishedBuild, tmp_path: Path) -> None:
    publish.main(
        ["--results", str(build.layout.root), "--nomenclature", str(NOMENCLATURE)]
        + ["--name", "N", "--version", "1", "--licence", "MIT", "--land-cover", "Moon map 2021"]
        + ["--lmdb", "s2", "--out", str(tmp_path)]
    )
    for name in ("README.md", "collection.json", "croissant.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "reference maps from Moon map 2021" in text, name
        assert "craters" in text, name
        assert "CORINE" not in text, name
    assert "errors of Moon map 2021, whose date may differ" in (tmp_path / "README.md").read_text()
    assert '"Moon map 2021"' in (tmp_path / "collection.json").read_text()


def test_one_patch_and_the_overview_name_the_classes(build: FinishedBuild) -> None:
    row = show.find_patch(build, build.patches.filter("valid")["patch_id"][0])
    console = Console(record=True, width=200)
    console.print(show.describe(build, row))
    assert "211 Regolith" in console.export_text()
    words = [text.get_text() for text in overview.draw_overview(build, {211: "A"}).texts]
    assert "Classes of Moon map shown" in words
    assert any(word.startswith("211  Regolith") for word in words)
