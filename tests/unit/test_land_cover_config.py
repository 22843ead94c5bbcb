"""The config of the land cover: polygons or a raster map."""

import csv
from pathlib import Path

import pytest
import yaml

from reben.config.check import absent_inputs, check_keys, check_settings, find_shipped
from reben.config.land_cover import map_year
from reben.runtime.errors import ConfigError

RESOURCES = Path("resources")
HEADER = "value,code,name,colour\n"
DEFAULTS = yaml.safe_load(Path("config/config.yaml").read_text())
PRODUCTS = "resources/bigearthnet_products.tsv"
WORLDCOVER = "resources/legends/esa_worldcover.csv"


def configured(**land_cover: object) -> dict[str, object]:
    """The defaults with a land cover map."""
    config = yaml.safe_load(yaml.safe_dump({**DEFAULTS, "products": PRODUCTS}))
    config["land_cover"] |= land_cover
    return config  # type: ignore[no-any-return]


def check(config: dict[str, object]) -> None:
    check_keys(config, "workflow/schemas/config.schema.json")
    find_shipped(config, Path())
    check_settings(config)


def test_the_own_classes_of_a_map_take_the_place_of_the_default() -> None:
    config = configured(files="a.tif", legend=WORLDCOVER)
    check(config)
    assert config["labels"]["nomenclature"] == "resources/nomenclature/esa_worldcover.csv"  # type: ignore[index]
    config = configured(files="a.tif", legend="resources/legends/corine.csv")
    check(config)
    assert config["labels"]["nomenclature"] == DEFAULTS["labels"]["nomenclature"]  # type: ignore[index]


def test_a_nomenclature_of_another_map_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(f"{HEADER}1,1,A,#000000\n")
    said = rf"bigearthnet_19\.csv, line 2: '111' is not a code of the legend {own}; labels\.nomen"
    with pytest.raises(ConfigError, match=said):
        check(configured(files="a.tif", legend=str(own)))
    config = configured()
    config["labels"]["nomenclature"] = "resources/nomenclature/esa_worldcover.csv"  # type: ignore[index]
    with pytest.raises(ConfigError, match="'10' is not a code of CORINE Land Cover"):
        check(config)


@pytest.mark.parametrize(
    ("land_cover", "message"),
    [
        ({"files": "a.tif"}, r"land_cover\.legend is not set; expected a CSV .* such as resources"),
        ({"legend": WORLDCOVER}, r"land_cover\.legend is set without land_cover\.files; name"),
        ({"nodata": 0}, r"land_cover\.nodata is set without land_cover\.files; name"),
        (
            {"files": ["a.tif", "docs"], "legend": WORLDCOVER},
            r"land_cover\.files\[1\] is the folder 'docs'; .* as with docs/\*\.tif",
        ),
        (
            {"files": "a{b}.tif", "legend": WORLDCOVER},
            r"land_cover\.files is 'a{b}\.tif'; expected a path without",
        ),
        ({"file": "a.tif"}, r"land_cover\.file: an unknown key; did you mean `files`"),
        ({"nodata": "null"}, r"land_cover\.nodata: 'null' does not match"),
    ],
)
def test_what_does_not_go_together_is_said(land_cover: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(configured(**land_cover))


def test_two_kinds_of_land_cover_are_refused() -> None:
    config = configured(files="a.tif", legend=WORLDCOVER)
    config["corine"]["path"] = "clc.gpkg"  # type: ignore[index]
    said = r"corine\.path is 'clc\.gpkg' and land_cover\.files is 'a\.tif'; expected one of the two"
    with pytest.raises(ConfigError, match=said):
        check(config)


def test_absent_maps_are_named_with_their_key(tmp_path: Path) -> None:
    there = tmp_path / "there_2021.tif"
    there.touch()
    patterns = [str(tmp_path / "there*.tif"), str(tmp_path / "gone*.tif")]
    config = configured(files=patterns, legend=WORLDCOVER)
    assert absent_inputs(config, {}) == {"land_cover.files[1]": patterns[1]}
    assert "corine.path" not in absent_inputs(configured(files=str(there)), {})


@pytest.mark.parametrize(
    ("release", "names", "year"),
    [
        ("ESA WorldCover 2021 v200", [], 2021),
        ("v200", ["ESA_WorldCover_10m_2020_v100_N00E006_Map.tif"], 2020),
        (None, ["a_2020.tif", "b_2020.tif"], 2020),
        (None, ["a_2020.tif", "b_2021.tif"], None),
        (None, ["31U_20230101-20240101.tif"], None),
        ("change 2018 to 2021", [], None),
        (None, ["a.tif"], None),
    ],
)
def test_the_year_of_a_map(
    tmp_path: Path, release: str | None, names: list[str], year: int | None
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert map_year(configured(files=str(tmp_path / "*.tif"), release=release)) == year


def test_shipped_tables_have_no_other_columns() -> None:
    for path in RESOURCES.glob("nomenclature/*.csv"):
        with path.open(newline="") as file:
            assert next(csv.reader(file)) == ["code", "class"], path
