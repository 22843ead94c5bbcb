"""Schema, defaults and documentation of the configuration agree."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml

from reben.config.check import absence, absent_inputs, check_keys, check_settings, find_shipped
from reben.domain.bands import S1_BANDS
from reben.runtime.errors import ConfigError
from reben.synthetic.raster import write_raster

SCHEMA_FILE = Path("workflow/schemas/config.schema.json")
SCHEMA = json.loads(SCHEMA_FILE.read_text())
DEFAULTS = yaml.safe_load(Path("config/config.yaml").read_text())


def keys(schema, prefix=""):
    for name, value in schema["properties"].items():
        if value.get("type") == "object":
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def lookup(config, dotted):
    for name in dotted.split("."):
        config = config[name]
    return config


def test_every_key_has_its_default_in_the_config_file():
    for key, value in keys(SCHEMA):
        found = lookup(DEFAULTS, key)
        if "default" in value:
            assert found == value["default"], key
    assert not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(DEFAULTS))


def test_every_key_and_no_other_is_explained():
    text = Path("config/README.md").read_text().partition("## The product table")[0]
    explained = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", text, re.MULTILINE))
    assert explained == {key for key, _ in keys(SCHEMA)}


def test_unknown_keys_are_errors_at_every_level():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    sections = [
        name for name, value in SCHEMA["properties"].items() if value.get("type") == "object"
    ]
    for section in sections:
        config = {**DEFAULTS, section: {**DEFAULTS[section], "surprise": 1}}
        assert ["surprise" in e.message for e in validator.iter_errors(config)] == [True]
    assert list(validator.iter_errors({**DEFAULTS, "surprise": 1}))


@pytest.mark.parametrize("name", ["bigearthnet"])
def test_shipped_configs_are_valid(name):
    config = yaml.safe_load(Path(f"config/{name}.yaml").read_text())
    merged = {
        key: {**value, **config.get(key, {})} if isinstance(value, dict) else config.get(key, value)
        for key, value in DEFAULTS.items()
    }
    assert set(config) <= set(DEFAULTS)
    assert not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(merged))
    assert len(check_settings(merged)) == 125


def test_contradictions_are_found_before_any_job():
    products = "resources/bigearthnet_products.tsv"
    config = {**DEFAULTS, "products": products, "split": {"p": 0.6, "q": 0.4}}
    with pytest.raises(ConfigError, match=r"split\.p is 0\.6 and split\.q is 0\.4"):
        check_settings(config)
    config = {**DEFAULTS, "products": products, "patches": {"side_m": 1210}}
    with pytest.raises(ConfigError, match=r"patches\.side_m is 1210; expected a multiple of 60"):
        check_settings(config)
    config = {**config, "patches": {"side_m": 600}, "alignment": {"pairs": "v1.csv"}}
    with pytest.raises(ConfigError, match=r"side_m is 600; expected 1200 with alignment\.pairs"):
        check_settings(config)


def test_braces_in_a_path_are_refused_with_its_key(tmp_path):
    row = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000\tL2A\tlocal\ta{b}c"
    (tmp_path / "p.tsv").write_text(f"product\tlevel\tsource\tpath\n{row}\n")
    good = {**DEFAULTS, "products": "resources/bigearthnet_products.tsv"}
    check_settings(good)
    for key, change in {
        "results": {"results": "a{b}c"},
        "corine.path": {"corine": {**DEFAULTS["corine"], "path": "a{b}c"}},
        "p.tsv, S2A_MSIL2A": {"products": str(tmp_path / "p.tsv")},
    }.items():
        with pytest.raises(ConfigError, match=rf"{key}.* is 'a{{b}}c'; expected a path without"):
            check_settings({**good, **change})


@pytest.mark.parametrize("path", ["a\nb", "a\0b"])
def test_control_characters_in_a_path_are_refused(path):
    good = {**DEFAULTS, "products": "resources/bigearthnet_products.tsv"}
    with pytest.raises(ConfigError, match="results is .*expected a path without control char"):
        check_settings({**good, "results": path})
    with pytest.raises(ConfigError, match="there is no product table|the product table cannot be"):
        check_settings({**good, "products": path})


def test_absent_inputs_are_named_with_their_key():
    products = "resources/bigearthnet_products.tsv"
    corine = {**DEFAULTS["corine"], "path": "nowhere.gpkg"}
    config = {**DEFAULTS, "products": products, "corine": corine}
    absent = absent_inputs(config, {})
    assert absence(absent) == (
        f"these inputs do not exist, seen from {Path.cwd()}:\n  corine.path: nowhere.gpkg"
    )
    corine["path"] = products
    assert absent_inputs(config, {}) == {}


def test_everything_wrong_with_the_keys_is_said_at_once():
    config = {
        **DEFAULTS,
        "labels": {**DEFAULTS["labels"], "nomenclatur": "x", "min_labelled_fraction": 75},
        "sen2cor": {**DEFAULTS["sen2cor"], "version": 2.11},
        "split": {"p": "0.3", "q": 0.25},
        "dataset": {**DEFAULTS["dataset"], "published": yaml.safe_load("2024-05-01")},
        "speed": "high",
    }
    with pytest.raises(ConfigError) as caught:
        check_keys(config, SCHEMA_FILE)
    head, *flaws, tail = str(caught.value).splitlines()
    assert head == "the config has"
    assert flaws == [
        "  dataset.published: 2024-05-01 is a date in YAML; put it in quotes",
        "  labels.min_labelled_fraction: 75 is greater than the maximum of 1",
        "  labels.nomenclatur: an unknown key; did you mean `nomenclature`?",
        "  sen2cor.version: 2.11 is a float in YAML; put it in quotes",
        "  speed: an unknown key; known are " + ", ".join(SCHEMA["properties"]),
        "  split.p: '0.3' is not of type 'number', and below the first level --config gives "
        "only strings: write it in a file",
    ]
    assert tail == "config/README.md explains every key"
    check_keys(DEFAULTS, SCHEMA_FILE)


def test_shipped_tables_are_found_from_any_folder(tmp_path, monkeypatch):
    home = Path.cwd()
    monkeypatch.chdir(tmp_path)
    Path("mine.tsv").touch()
    config = {**DEFAULTS, "products": "mine.tsv", "labels": {**DEFAULTS["labels"]}}
    find_shipped(config, home)
    assert config["products"] == "mine.tsv"
    assert Path(config["labels"]["nomenclature"]).is_file()


def test_reading_the_workflow_loads_no_libraries_of_its_steps():
    """Snakemake reads it on its own node twice for every job of a cluster."""
    rules = "\n".join(path.read_text() for path in Path("workflow/rules").rglob("*.smk"))
    imports = re.findall(r"^(?:from reben|import reben)\b.*", rules, re.MULTILINE)
    assert any("reben.config.check" in line for line in imports)
    program = "\n".join([*imports, "import sys", "print(*sys.modules)"])
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert not {"polars", "pyarrow", "rasterio", "httpx", "lmdb"} & set(ran.stdout.split())


@pytest.mark.parametrize("flat", [True, False])
def test_patches_of_another_size_than_those_of_sentinel1_are_refused_at_once(tmp_path, flat):
    """Else the pairing would find out, after all products were cut."""
    name = "S1A_IW_GRDH_1SDV_20170613T165043"
    folder = tmp_path / ("" if flat else name) / f"{name}_33UUP_70_40"
    folder.mkdir(parents=True)
    for band in S1_BANDS:
        path = folder / f"{folder.name}_{band}.tif"
        write_raster(path, np.ones((120, 120), np.float32), 32633, (0, 0), 10)
    products = tmp_path / "p.tsv"
    products.write_text(
        "product\tlevel\tsource\tpath\n"
        "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000\tL2A\tlocal\tx\n"
    )
    config = {**DEFAULTS, "products": str(products)}
    config["sentinel1"] = {**DEFAULTS["sentinel1"], "root": str(tmp_path)}
    check_settings(config)
    for side_m in (600, 2400):
        config["patches"] = {**DEFAULTS["patches"], "side_m": side_m}
        with pytest.raises(ConfigError, match=rf"side_m is {side_m}; expected 1200, .*_V.\.tif"):
            check_settings(config)
        config["sentinel1"] = {**config["sentinel1"], "root": str(tmp_path / "absent")}
        check_settings(config)  # what is not there is said elsewhere
        config["sentinel1"] = {**config["sentinel1"], "root": str(tmp_path)}


@pytest.mark.parametrize("modality", ["s1", "all"])
def test_models_of_sentinel1_need_it_in_the_dataset(modality, tmp_path):
    config = {**DEFAULTS, "training": {**DEFAULTS["training"], "modalities": [modality]}}
    with pytest.raises(
        ConfigError, match=f"training.modalities has {modality}, and sentinel1.root"
    ):
        check_settings(config)
    config["sentinel1"] = {**DEFAULTS["sentinel1"], "root": str(tmp_path)}
    check_settings(config)
    config["lmdb"] = {"include": ["s2"]}
    with pytest.raises(ConfigError, match="lmdb.include lacks s1"):
        check_settings(config)
    config["training"] = {**config["training"], "dataset": "published"}
    check_settings(config)
