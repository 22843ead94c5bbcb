"""What a build needs beside its inputs is checked when the workflow is read, before any job."""

import logging
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

from reben import ready
from reben.ready import account_fault, input_fault
from reben.synthetic import write_corine, write_countries
from tests.rules import read_workflow
from tests.workflow.builds import SPECS

NAME = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a build that fetches a product and corrects it, on a machine without anything."""
    for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    (tmp_path / "products.tsv").write_text(
        f"product\tlevel\tsource\tid\n{NAME}\tL1C\tcdse\t00000000-0000-4000-8000-000000000000\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"results: {tmp_path}/results\nproducts: {tmp_path}/products.tsv\n"
        f"sen2cor: {{command: {tmp_path}/L2A_Process}}\n"
    )
    return path


def faults(config: Path) -> dict[str, str]:
    with read_workflow(config) as workflow:
        found: dict[str, str] = workflow.globals["UNREADY"]
    return found


def test_a_missing_sen2cor_and_account_are_known_before_anything_is_fetched(config: Path) -> None:
    found = faults(config)
    assert found.keys() == {"run_sen2cor", "acquire"}
    assert "Install sen2cor 2.11" in found["run_sen2cor"]
    assert "no CDSE account found" in found["acquire"]


def test_what_is_ready_is_no_fault(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = config.parent / "L2A_Process"
    command.write_text(
        "#!/bin/sh\necho 'Sentinel-2 Level 2A Processor (Sen2Cor). Version: 2.11.0'\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("CDSE_USERNAME", "me")
    monkeypatch.setenv("CDSE_PASSWORD", "x")
    assert faults(config) == {}


def test_keys_of_the_object_store_are_enough(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    assert account_fault()
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "key")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "x")
    assert account_fault() is None


@pytest.fixture
def late(config: Path, tmp_path: Path) -> dict[str, Any]:
    """The config of a build with all inputs that only late steps read, each of them right."""
    write_corine(tmp_path / "corine.gpkg", SPECS)
    write_countries(tmp_path / "countries.gpkg", SPECS)
    (tmp_path / "pairs.csv").write_text(
        "s1_name,s2_name\nS1A_IW_GRDH_1SDV_20170613T165043_33UUP_7_40,"
        "S2A_MSIL2A_20170613T101031_7_40\n"
    )
    for name in ("snow", "cloud"):
        (tmp_path / name).write_text("S2A_MSIL2A_20170613T101031_7_40\n")
    value: dict[str, Any] = yaml.safe_load(config.read_text())
    return value | {
        "corine": {"path": f"{tmp_path}/corine.gpkg"},
        "countries": {"path": f"{tmp_path}/countries.gpkg", "name_column": "name"},
        "alignment": {"pairs": f"{tmp_path}/pairs.csv"},
        "snow_cloud": {
            "seasonal_snow": f"{tmp_path}/snow",
            "cloud_or_shadow": f"{tmp_path}/cloud",
        },
    }


def late_faults(config: Path, value: dict[str, Any]) -> dict[str, str]:
    """Of inputs alone."""
    config.write_text(yaml.safe_dump(value))
    return {k: v for k, v in faults(config).items() if k not in ("run_sen2cor", "acquire")}


def test_inputs_that_can_be_used_are_no_fault(config: Path, late: dict[str, Any]) -> None:
    assert late_faults(config, late) == {}


def other(section: str, **values: Any) -> Callable[[dict[str, Any], Path], None]:
    return lambda value, _: value[section].update(values)


def text_in(name: str, text: str) -> Callable[[dict[str, Any], Path], None]:
    return lambda _, folder: (folder / name).write_text(text) and None


@pytest.mark.parametrize(
    ("spoil", "rule", "words"),
    [
        (other("corine", layer="U2018"), "clip_corine", "corine.layer is 'U2018'"),
        (other("corine", code_column="clc"), "clip_corine", "corine.code_column is 'clc'"),
        (text_in("corine.gpkg", "not"), "clip_corine", "corine.gpkg: expected a vector file"),
        (other("countries", name_column="land"), "assign_country", "set countries.name_column"),
        (other("countries", names=["Erewhon"]), "assign_country", "the countries ['Erewhon']"),
        (text_in("pairs.csv", "a,b\n1,2\n"), "align_patches", "the columns s1_name and s2_name"),
        (text_in("snow", "patch\n"), "flag_snow_cloud", "snow, line 1: expected one name"),
    ],
)
def test_an_input_that_is_read_late_is_opened_at_the_start(
    spoil: Callable[[dict[str, Any], Path], None], rule: str, words: str,
    config: Path, late: dict[str, Any], tmp_path: Path,
) -> None:  # fmt: skip
    spoil(late, tmp_path)
    found = late_faults(config, late)
    assert found.keys() == {rule}
    assert words in found[rule]


def test_an_input_that_does_not_exist_is_no_second_fault(
    config: Path, late: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("corine.gpkg", "countries.gpkg", "pairs.csv", "snow"):
        (tmp_path / name).unlink()
    assert late_faults(config, late) == {}


def test_a_zip_is_not_unpacked_but_its_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "corine.zip"
    value = {"corine": {"path": str(path), "layer": None, "code_column": None}}
    for names, flaw in ((["a.gpkg"], None), (["a.gpkg", "b.gpkg"], "found 2: a.gpkg, b.gpkg")):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "far too large")
        fault = input_fault("clip_corine", value)
        assert fault is None if flaw is None else flaw in str(fault)


def test_a_land_cover_map_of_shares_is_found_at_the_start(config: Path, tmp_path: Path) -> None:
    place = rasterio.transform.from_origin(10, 50, 1, 1)
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "float32",
               "crs": "EPSG:4326", "transform": place}  # fmt: skip
    with rasterio.open(tmp_path / "map.tif", "w", **profile) as dataset:
        dataset.write(np.full((1, 4, 4), 0.5, np.float32))
    value = yaml.safe_load(config.read_text())
    value["land_cover"] = {
        "files": f"{tmp_path}/*.tif", "legend": "resources/legends/esa_worldcover.csv"
    }  # fmt: skip
    found = late_faults(config, value)
    assert found.keys() == {"clip_land_cover"}
    assert "map.tif: " in found["clip_land_cover"]


def test_rasters_of_scenes_are_opened_at_the_start(config: Path, tmp_path: Path) -> None:
    scene = "S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017021_01C5E2_4B4B"
    for band in ("VV", "VH"):
        (tmp_path / f"{band}.tif").write_text("no raster")
    row = f"{scene}\t{tmp_path}/VV.tif\t{tmp_path}/VH.tif\tpower\n"
    (tmp_path / "scenes.tsv").write_text(f"scene\tvv\tvh\tscale\n{row}")
    value = yaml.safe_load(config.read_text())
    value["sentinel1"] = {"scenes": f"{tmp_path}/scenes.tsv"}
    found = late_faults(config, value)
    assert found.keys() == {"index_scenes"}
    assert "VV.tif: " in found["index_scenes"]


def test_opening_changes_neither_the_environment_nor_what_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_DATA", "/elsewhere")
    seen = []

    def look(config: dict[str, Any]) -> None:
        seen.append(os.environ.get("GDAL_DATA"))
        logging.getLogger("reben.corine").warning("not now")

    monkeypatch.setitem(ready.OPENED, "clip_corine", look)
    before, level = dict(os.environ), logging.getLogger("reben").level
    assert input_fault("clip_corine", {}) is None
    assert seen == [None]
    assert (dict(os.environ), logging.getLogger("reben").level) == (before, level)


def test_libraries_that_planning_lacks_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reben.alignment", None)
    assert input_fault("align_patches", {"alignment": {"pairs": "x"}}) is None
