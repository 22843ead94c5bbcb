"""A config and a product table to start from: what is written can be built."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from reben import new
from reben.config.check import absent_inputs, check_keys, check_settings, find_shipped
from reben.config.user_file import HOME, SCHEMA, read_config
from reben.ready import input_fault
from reben.runtime.errors import ConfigError
from reben.synthetic import ProductSpec
from tests.standins.cdse_server import Archive, CdseServer

NAME = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"
ELSEWHERE = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UVP_20170613T101608"
PERIOD = ["--start", "2017-06-01", "--end", "2017-06-30"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    """Two products beside each other, from 12 to 13 and from 13 to 14 degrees east."""
    with CdseServer([]) as running:
        for name, value in running.environment.items():
            if not name.startswith("CDSE_"):
                monkeypatch.setenv(name, value)
        for number, (name, west) in enumerate({NAME: 12, ELSEWHERE: 13}.items()):
            archive = Archive(
                name, f"0000000{number}-0000-4000-8000-000000000000", b"zip",
                footprint=shapely.box(west, 47, west + 1, 48),
            )  # fmt: skip
            running.archives[archive.id] = archive
        yield running


def test_products_on_this_machine_make_a_config_that_can_be_built(
    spec: ProductSpec, pristine_product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("tyrol").mkdir()
    (tmp_path / "tyrol/corine.gpkg").touch()
    new.main(["tyrol", "--products", str(pristine_product), "--land-cover", "tyrol/corine.gpkg"])
    assert "cd tyrol\n  reben plan dataset.yaml" in capsys.readouterr().out
    monkeypatch.chdir("tyrol")
    config = read_config("dataset.yaml")
    check_keys(config, SCHEMA)
    find_shipped(config, HOME)
    (product,) = check_settings(config).values()
    assert (product.product, product.level, product.path) == (
        spec.name, "L2A", str(pristine_product)
    )  # fmt: skip
    assert config["corine"]["path"] == "corine.gpkg", "seen from the folder"
    assert absent_inputs(config, {product.tile: product}) == {}


def settings(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """The config that is written with these options, checked as a build checks it."""
    product = folder.parent / f"{NAME}.SAFE"
    product.mkdir()
    new.main([str(folder), "--products", str(product), *words])
    monkeypatch.chdir(folder)
    config = read_config(new.CONFIG)
    check_keys(config, SCHEMA)
    find_shipped(config, HOME)
    check_settings(config)
    return config


def test_a_worldcover_tile_is_known_by_its_name(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tile,) = (reference / "land_cover/esa_worldcover").glob("*.tif")
    patches = reference / "scene/BigEarthNet-S1"
    words = ("--land-cover", str(tile), "--sentinel1", str(patches))
    config = settings(tmp_path / "new", monkeypatch, *words)
    assert config["land_cover"]["files"] == str(tile)
    assert config["land_cover"]["legend"] == str(HOME / "resources/legends/esa_worldcover.csv")
    assert config["labels"]["nomenclature"].endswith("resources/nomenclature/esa_worldcover.csv")
    assert config["sentinel1"]["root"] == str(patches)
    assert input_fault("clip_land_cover", config) is None


@pytest.mark.parametrize(
    ("names", "legend", "classes"),
    [
        (["ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"], "esa_worldcover", "esa_worldcover"),
        (["CLMS_CLCplus_RASTER_2021_010m_eu_03035_V1_1.tif"], *["clcplus_backbone"] * 2),
        (["33U_20210101-20220101.tif", "32U_20210101-20220101.tif"], *["esri_annual"] * 2),
        (["DynamicWorld_2021_mode.tif"], "dynamic_world", "dynamic_world"),
        (["U2018_CLC2018_V2020_20u1.tif"], "corine", "bigearthnet_19"),
        (["ESA_WorldCover_10m_2021_v200_N00E006_Map.tif", "33U_20210101-20220101.tif"], None, None),
        (["lulc.vrt"], None, None),
    ],
)
def test_maps_with_a_shipped_legend_are_known_by_name(
    names: list[str], legend: str | None, classes: str | None,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    words = ["--land-cover", *(str(tmp_path / name) for name in names)]
    if legend is None:
        with pytest.raises(ConfigError, match="land_cover.legend is not set; expected a CSV"):
            settings(tmp_path / "new", monkeypatch, *words)
        assert "to be filled in first: land_cover.legend" in capsys.readouterr().out
        return
    config = settings(tmp_path / "new", monkeypatch, *words)
    assert Path(config["land_cover"]["legend"]).stem == legend
    assert Path(config["labels"]["nomenclature"]).stem == classes
    assert "to be filled in" not in capsys.readouterr().out
    files = config["land_cover"]["files"]
    assert len(names) == (1 if isinstance(files, str) else len(files))


def test_a_pattern_of_a_map_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/ESA_WorldCover_10m_2021_v200_N00E006_Map.tif").touch()
    pattern = str(tmp_path / "new/*_Map.tif")
    config = settings(tmp_path / "new", monkeypatch, "--land-cover", pattern)
    assert config["land_cover"]["files"] == "*_Map.tif"


def test_a_table_of_scenes_is_told_from_a_folder_of_patches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = "S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017021_01C5E2_4B4B"
    table = tmp_path / "scenes.tsv"
    table.write_text(f"scene\tvv\tvh\tscale\n{scene}\ta_VV.tif\ta_VH.tif\tpower\n")
    config = settings(tmp_path / "new", monkeypatch, "--sentinel1", str(table))
    assert config["sentinel1"]["scenes"] == str(table)


@pytest.mark.parametrize(
    ("words", "flaw"),
    [
        (["--land-cover", "none.tif"], "--land-cover none.tif: expected land cover, found no such"),
        (["--land-cover", "a.tif", "b.gpkg"], "expected one file of polygons, or GeoTIFFs"),
        (["--sentinel1", "empty"], "expected the folder of BigEarthNet-S1 or a table of scenes"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused(
    words: list[str], flaw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for name in ("a.tif", "b.gpkg"):
        Path(name).touch()
    with pytest.raises(ConfigError, match=flaw):
        new.main(["new", *words])
    assert not Path("new").exists()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    new.main([str(tmp_path)])
    with pytest.raises(ConfigError, match=r"dataset.yaml exists; name another folder"):
        new.main([str(tmp_path)])


def test_a_file_is_no_folder_and_a_period_ends_after_it_begins(
    tmp_path: Path, server: CdseServer
) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ConfigError, match="x: expected a folder, found a file"):
        new.main([str(tmp_path / "x")])
    days = ["--start", "2017-06-30", "--end", "2017-06-01"]
    with pytest.raises(ConfigError, match="--start is 2017-06-30 and --end is 2017-06-01"):
        new.main([str(tmp_path / "y"), "--area", "12", "47", "13", "48", *days])


def test_an_area_is_searched_for_its_products(server: CdseServer, tmp_path: Path) -> None:
    new.main([str(tmp_path), "--area", "12.1", "47.1", "12.2", "47.2", *PERIOD])
    rows = (tmp_path / "products.tsv").read_text().splitlines()
    assert NAME in rows[1]
    assert "\tcdse\t" in rows[1]


def test_a_file_of_polygons_is_searched_for_what_its_polygons_touch(
    server: CdseServer, tmp_path: Path
) -> None:
    """Two small areas, whose hull covers both products and whose polygons one."""
    shapes = [shapely.box(12.1, 47.1, 12.2, 47.2), shapely.box(14.1, 47.1, 14.2, 47.2)]
    features = [
        {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(shape))}
        for shape in shapes
    ]
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    new.main([str(tmp_path / "new"), "--area", str(area), *PERIOD])
    assert [row.split("\t")[0] for row in
            (tmp_path / "new/products.tsv").read_text().splitlines()[1:]] == [NAME]  # fmt: skip


def test_wrong_words_for_an_area_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--area is '1 2'; expected west south east north"):
        new.main([str(tmp_path / "a"), "--area", "1", "2", *PERIOD])
    with pytest.raises(ConfigError, match="expected four numbers"):
        new.main([str(tmp_path / "a"), "--area", "1", "2", "x", "4", *PERIOD])
    with pytest.raises(SystemExit):
        new.main([str(tmp_path / "a"), "--area", "1", "2", "3", "4"])
    assert not (tmp_path / "a").exists()
