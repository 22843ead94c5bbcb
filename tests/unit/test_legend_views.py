"""Names, colours and credit of another map than CORINE, in everything that people read."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from reben import overview, show
from reben.land_cover.legend import Legend, corine_legend, read_legend
from reben.pictures.painting import paint_codes, rgb_of
from reben.publish import __main__ as publish
from reben.report import __main__ as report
from reben.report.gallery import map_uri
from reben.results.finished import FinishedBuild, read_build
from reben.results.layout import Layout
from reben.runtime.files import write_json
from tests.builds import NOMENCLATURE, write_build

LEGENDS = sorted((Path(__file__).parents[2] / "resources" / "legends").glob("*.csv"))
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


@pytest.mark.parametrize("legend", LEGENDS, ids=lambda path: path.stem)
def test_pages_show_exactly_the_colours_of_the_maps_that_reben_knows(legend: Path) -> None:
    known = read_legend(legend)
    codes = np.array([sorted(known.classes)] * 3, "uint16")
    data = base64.b64decode(map_uri(paint_codes(codes, known)).partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert [tuple(pixel) for pixel in shown[1].tolist()] == [
        rgb_of(known.colour(code)) for code in sorted(known.classes)
    ]


def test_the_pages_name_and_credit_the_map(build: FinishedBuild, tmp_path: Path) -> None:
    report.main(
        ["--results", str(build.layout.root), "--nomenclature", str(NOMENCLATURE)]
        + ["--out", str(tmp_path / "report")]
    )
    first = (tmp_path / "report/index.html").read_text("utf-8")
    assert "land cover from Moon map and" in first
    of_tile = (tmp_path / f"report/{build.tiles[0]}.html").read_text("utf-8")
    assert "the colours of Moon map" in of_tile
    assert "background:#102030" in of_tile
    for text in (first, of_tile):
        assert "Contains modified Copernicus Sentinel data. Moon: © craters." in text
        assert "CORINE" not in text


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
