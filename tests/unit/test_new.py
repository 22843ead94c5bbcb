"""A config and a product table to start from: what is written can be built."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from reben import new
from reben.config.check import absent_inputs, check_keys, check_settings, find_shipped
from reben.config.user_file import HOME, SCHEMA, read_config
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
