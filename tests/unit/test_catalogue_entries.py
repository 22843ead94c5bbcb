"""STAC, Croissant, GeoParquet and the card: valid, readable and consistent."""

import json
import re
from pathlib import Path
from typing import Any

import geopandas
import mlcroissant
import polars as pl
import pyarrow.parquet as pq
import pyproj
import pystac
import pytest
import shapely
import yaml
from pystac.extensions.eo import EOExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.version import VersionExtension
from stac_geoparquet import arrow

from reben.publish import __main__ as publish
from reben.results.finished import FinishedBuild, read_build
from reben.runtime.errors import TableError
from reben.runtime.files import sha256_file
from tests.builds import CLASSES, NOMENCLATURE, TILES, write_build

VERSION, LICENCE = "2.0.0", "CDLA-Permissive-1.0"


def describe(results: Path, out: Path, licence: str = LICENCE) -> Path:
    publish.main(
        ["--results", str(results), "--nomenclature", str(NOMENCLATURE), "--name", "Test set"]
        + ["--version", VERSION, "--licence", licence]
        + ["--published", "2024-07-01", "--out", str(out)]
        + ["--lmdb", "s2", "s1", "reference_maps"]
    )
    return out


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    results = write_build(folder / "results", sentinel1=folder / "s1")
    describe(results, results / "dataset")
    return results


@pytest.fixture(scope="module")
def build(results: Path) -> FinishedBuild:
    return read_build(results)


def read(results: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((results / "dataset" / name).read_text(encoding="utf-8"))
    return value


def test_pystac_validates_collection_and_items(results: Path, build: FinishedBuild) -> None:
    pystac.validation.validate_dict(core(read(results, "collection.json")))
    table = pq.read_table(results / "dataset" / "items.parquet")
    found = list(arrow.stac_table_to_items(table))
    assert [item["id"] for item in found] == build.metadata["patch_id"].to_list()
    for item in found[:3] + found[-3:]:
        pystac.validation.validate_dict(core(item))


def core(value: dict[str, Any]) -> dict[str, Any]:
    """Without extensions, whose schemas would have to be fetched."""
    return value | {"stac_extensions": []}


def test_fields_of_extensions_are_as_their_schemas_ask(results: Path) -> None:
    """EO 1.1, Projection 2.0 and Version 1.2, whose schemas cannot be fetched here."""
    stac = read(results, "collection.json")
    assert stac["stac_extensions"] == [VersionExtension.get_schema_uri()]
    assert isinstance(stac["version"], str)
    assert stac["summaries"]["labels"] == CLASSES
    table = pq.read_table(results / "dataset" / "items.parquet")
    for item in arrow.stac_table_to_items(table):
        assert item["stac_extensions"] == [
            EOExtension.get_schema_uri(), ProjectionExtension.get_schema_uri()
        ]  # fmt: skip
        properties = item["properties"]
        for name in ("eo:cloud_cover", "eo:snow_cover"):
            assert 0 <= properties.pop(name) <= 100
        assert re.fullmatch(r"EPSG:32[67]\d\d", properties.pop("proj:code"))
        x_min, y_min, x_max, y_max = properties.pop("proj:bbox")
        height, width = properties.pop("proj:shape")
        assert {type(height), type(width)} == {int}
        a, b, c, d, e, f = properties.pop("proj:transform")
        assert (c, f, c + a * width, f + e * height) == (x_min, y_max, x_max, y_min)
        assert b == d == 0
        assert not any(":" in name for name in properties), "no field of another extension"


def test_items_say_what_the_tables_say(results: Path, build: FinishedBuild) -> None:
    table = pq.read_table(results / "dataset" / "items.parquet")
    item = pystac.Item.from_dict(next(iter(arrow.stac_table_to_items(table))))
    row = build.metadata.row(0, named=True)
    place = build.patches.row(by_predicate=pl.col("patch_id") == item.id, named=True)
    assert list(item.properties["labels"]) == row["labels"]
    assert item.properties["split"] == row["split"]
    assert item.datetime is not None
    assert item.datetime.isoformat() == "2017-06-13T10:10:31+00:00"
    assert EOExtension.ext(item).cloud_cover == 0
    there = ProjectionExtension.ext(item)
    assert there.code == "EPSG:32633"
    assert list(there.bbox or []) == [place[k] for k in ("x_min", "y_min", "x_max", "y_max")]
    assert list(there.shape or []) == [24, 24]


def test_footprints_are_where_the_patches_are(results: Path, build: FinishedBuild) -> None:
    frame = geopandas.read_parquet(results / "dataset" / "footprints.parquet")
    assert frame.crs == "EPSG:4326"
    assert frame["patch_id"].tolist() == build.metadata["patch_id"].to_list()
    assert list(frame["labels"][0]) == build.metadata["labels"][0].to_list()
    kept = build.patches.filter(pl.col("dropped_for").is_null())
    for epsg, rows in kept.with_row_index().group_by("epsg"):
        there = frame.iloc[rows["index"].to_list()].to_crs(f"EPSG:{epsg[0]}").geometry
        expected = rows.select("x_min", "y_min", "x_max", "y_max").to_numpy()
        assert abs(there.bounds.to_numpy() - expected).max() < 0.01
    assert shapely.is_ccw(frame.geometry.exterior).all()
    schema = pq.read_schema(results / "dataset" / "footprints.parquet")
    geo = json.loads(schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert pyproj.CRS.from_json_dict(geo["columns"]["geometry"]["crs"]).to_epsg() == 4326


def test_the_catalogue_leads_to_the_images(results: Path, build: FinishedBuild) -> None:
    dataset = results / "dataset"
    lmdb = read(results, "collection.json")["assets"]["lmdb"]
    assert lmdb["type"] == "application/octet-stream"
    assert (dataset / lmdb["href"]).is_file()
    (item,) = arrow.stac_table_to_items(pq.read_table(dataset / "items.parquet").slice(0, 1))
    patch, s1_name = build.metadata.select("patch_id", "s1_name").row(0)
    asset = item["assets"]["lmdb"]
    assert (asset["href"], asset["type"]) == (lmdb["href"], lmdb["type"])
    assert list(asset["reben:keys"]) == [patch, s1_name, f"{patch}_reference_map"]
    files = read(results, "croissant.json")["distribution"]
    assert "BigEarthNet.lmdb/data.mdb" in {file["contentUrl"] for file in files}
    for file in files:
        assert file["sha256"] == sha256_file(dataset / file["contentUrl"])


def test_a_glob_of_the_metadata_has_every_patch_once(results: Path, build: FinishedBuild) -> None:
    found = pl.read_parquet(results / "dataset" / "metadata*.parquet")
    assert sorted(found["patch_id"]) == build.metadata["patch_id"].to_list()


def front_matter(results: Path) -> dict[str, Any]:
    text = (results / "dataset" / "README.md").read_text(encoding="utf-8")
    value: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return value


def test_dataset_hubs_read_the_beginning_of_the_card(results: Path) -> None:
    head = front_matter(results)
    assert head["pretty_name"] == "Test set"
    assert head["license"] == "cdla-permissive-1.0"
    assert head["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in head["configs"]] == [
        "clear",
        "snow_cloud_or_shadow",
    ]
    for config in head["configs"]:
        (file,) = config["data_files"]
        assert (results / "dataset" / file["path"]).is_file()


def test_a_licence_that_hubs_do_not_know_is_named_with_its_text(
    results: Path, tmp_path: Path
) -> None:
    describe(results, tmp_path / "dataset", "CDLA-Other-9.0")
    head = front_matter(tmp_path)
    assert (head["license"], head["license_name"]) == ("other", "cdla-other-9.0")
    assert head["license_link"] == "https://spdx.org/licenses/CDLA-Other-9.0.html"


def test_croissant_loads_and_iterates(results: Path, build: FinishedBuild) -> None:
    dataset = mlcroissant.Dataset(results / "dataset" / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    clear = build.metadata.filter(~pl.col("obscured"))
    records = list(dataset.records("metadata_rows"))
    assert len(records) == len(clear)
    first = {key.split("/")[1]: value for key, value in records[0].items()}
    assert first["patch_id"] == clear["patch_id"][0].encode()
    assert [label.decode() for label in first["labels"]] == clear["labels"][0].to_list()
    assert first["contains_cloud_or_shadow"] is False
    others = list(dataset.records("metadata_snow_cloud_shadow_rows"))
    assert len(others) == len(build.metadata) - len(clear)


def test_all_agree_on_licence_version_and_counts(results: Path, build: FinishedBuild) -> None:
    stac, croissant = read(results, "collection.json"), read(results, "croissant.json")
    card = (results / "dataset" / "README.md").read_text(encoding="utf-8")
    url = f"https://spdx.org/licenses/{LICENCE}.html"
    assert stac["license"] == LICENCE
    assert croissant["license"] == url
    assert f"{LICENCE} ({url})" in card
    assert stac["version"] == croissant["version"] == VERSION
    assert f"# Test set {VERSION}" in card
    count = len(build.metadata)
    assert stac["reben:patches"] == count
    assert f"{count:,} Sentinel-2 patches" in croissant["description"]
    for split, number in stac["reben:by_split"].items():
        assert number == build.metadata.filter(pl.col("split") == split).height
        assert f"| {split} | {number:,} |" in card
    said = [int(re.sub(r"\D", "", r["description"])) for r in croissant["recordSet"]]
    assert sum(said) == count
    assert (stac["extent"]["temporal"]["interval"][0][0])[:10] == "2017-06-13"


def test_the_same_build_gives_the_same_files(results: Path, tmp_path: Path) -> None:
    again = describe(results, tmp_path / "again")
    for file in again.iterdir():
        assert file.read_bytes() == (results / "dataset" / file.name).read_bytes(), file.name


def test_an_empty_dataset_is_refused(tmp_path: Path) -> None:
    results = write_build(tmp_path / "results", TILES[:1], rejected=(), unlabelled_fraction=1)
    with pytest.raises(TableError, match=r"expected patches in the metadata tables, found none"):
        describe(results, tmp_path)


def test_poorer_datasets_are_described_too(tmp_path: Path) -> None:
    results = write_build(tmp_path / "results", TILES[:1], rejected=(), scl=False)
    describe(results, results / "dataset")
    pystac.validation.validate_dict(core(read(results, "collection.json")))
    mlcroissant.Dataset(results / "dataset" / "croissant.json")
    frame = geopandas.read_parquet(results / "dataset" / "footprints.parquet")
    assert len(frame) == len(read_build(results).metadata)
