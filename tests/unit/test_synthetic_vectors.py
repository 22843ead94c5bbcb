"""Synthetic CORINE, countries, Sentinel-1 patches and the demo that combines them."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
import yaml
from pyproj import Transformer

from reben.domain.names import Sentinel1Name
from reben.synthetic import (
    ProductSpec,
    write_corine,
    write_countries,
    write_demo,
    write_sentinel1,
)
from reben.synthetic.scene import Scene

SPEC = ProductSpec(
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000",
    epsg=32633,
    x_min=342_000,
    y_max=5_340_000,
    side_m=15_000,
    seed=5,
)
NEIGHBOUR = replace(
    SPEC,
    name="S2A_MSIL2A_20170717T103021_N9999_R108_T32ULU_20240101T000000",
    epsg=32632,
    x_min=333_000,
    y_max=5_358_000,
    side_m=9_000,
)


def read(path: Path) -> tuple[dict[str, object], np.ndarray, dict[str, np.ndarray]]:
    meta, _, geometry, columns = pyogrio.raw.read(path)
    return meta, shapely.from_wkb(geometry), dict(zip(meta["fields"], columns, strict=True))


def inside_tile(geometry: np.ndarray, spec: ProductSpec) -> np.ndarray:
    transformer = Transformer.from_crs(3035, spec.epsg, always_xy=True)
    return shapely.transform(
        geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    )


def test_corine_has_the_layout_of_the_release(tmp_path: Path) -> None:
    path = tmp_path / "corine.gpkg"
    write_corine(path, [SPEC, NEIGHBOUR])
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["U2018_CLC2018_V2020_20u1"]
    meta, geometry, columns = read(path)
    assert list(columns) == ["Code_18", "Remark", "Area_Ha", "ID"]
    assert meta["crs"] == "EPSG:3035"
    assert len(geometry) > 200
    assert all(len(code) == 3 for code in columns["Code_18"])
    unlabelled = {"122", "131", "132", "133", "141", "142", "332"}
    assert len(unlabelled & set(columns["Code_18"])) >= 3
    np.testing.assert_allclose(columns["Area_Ha"], shapely.area(geometry) / 1e4, atol=1e-3)
    assert len(set(columns["ID"])) == len(geometry)


def test_corine_polygons_are_valid_and_apart(tmp_path: Path) -> None:
    path = tmp_path / "corine.gpkg"
    write_corine(path, [SPEC], gaps=False)
    _, geometry, _ = read(path)
    assert shapely.is_valid(geometry).all()
    union = shapely.union_all(geometry)
    assert shapely.area(geometry).sum() == pytest.approx(union.area, abs=1)
    # Nothing is missing: the union is the tile, apart from its curved edges.
    tile = shapely.box(*SPEC.grid.bounds)
    assert (
        inside_tile(np.array([union]), SPEC)[0].symmetric_difference(tile).area < 1e-4 * tile.area
    )


def test_gaps_leave_an_area_and_single_polygons_out(tmp_path: Path) -> None:
    full, gaps = tmp_path / "full.gpkg", tmp_path / "gaps.gpkg"
    write_corine(full, [SPEC], gaps=False)
    write_corine(gaps, [SPEC], gaps=True)
    missing = shapely.union_all(read(full)[1]).difference(shapely.union_all(read(gaps)[1]))
    share = missing.area / SPEC.side_m**2
    assert 0.04 < share < 0.2
    parts = [part for part in shapely.get_parts(missing) if part.area > 10_000]
    assert len(parts) > 1
    # A complete patch fits into the gap.
    assert max(part.area for part in parts) > 4 * 1200**2


def test_reference_map_shows_what_the_picture_shows(tmp_path: Path) -> None:
    path = tmp_path / "corine.gpkg"
    write_corine(path, [SPEC], gaps=False)
    _, geometry, columns = read(path)
    scene = Scene(SPEC)
    codes = rasterio.features.rasterize(
        zip(inside_tile(geometry, SPEC), columns["Code_18"].astype(int), strict=True),
        out_shape=scene.pair.shape,
        transform=rasterio.transform.from_origin(SPEC.x_min, SPEC.y_max, 10, 10),
        dtype=np.uint16,
    )
    infrared = scene.band("B08", 10, 0)
    # Diagonal borders pass through pixel centres, where millimetres decide.
    assert (infrared[codes // 100 == 5] < 500).mean() > 0.997
    assert (infrared[codes // 10 == 31] > 500).mean() > 0.997


def test_overlapping_tiles_do_not_overlap_in_corine(tmp_path: Path) -> None:
    path = tmp_path / "corine.gpkg"
    shifted = replace(SPEC, x_min=SPEC.x_min + 9_000, seed=9)
    again = replace(SPEC, name=SPEC.name.replace("20170613T", "20170713T"))
    write_corine(path, [SPEC, again, shifted], gaps=False)
    _, geometry, _ = read(path)
    assert shapely.is_valid(geometry).all()
    total = shapely.area(geometry).sum()
    assert total == pytest.approx(shapely.union_all(geometry).area, rel=1e-7)
    assert total == pytest.approx((15_000 + 9_000) * 15_000, rel=1e-3)


def test_more_polygons_on_demand_and_other_names(tmp_path: Path) -> None:
    path = tmp_path / "corine.gpkg"
    write_corine(path, [SPEC], 0, 2000, False, code_column="code_18", layer="clc")
    _, geometry, columns = read(path)
    assert len(geometry) >= 2000
    assert "code_18" in columns
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["clc"]
    assert shapely.area(geometry).sum() == pytest.approx(shapely.union_all(geometry).area, rel=1e-7)


def test_geopackages_are_the_same_bytes(tmp_path: Path) -> None:
    for attempt in ("a", "b"):
        write_corine(tmp_path / f"{attempt}.gpkg", [SPEC, NEIGHBOUR])
        write_countries(tmp_path / f"{attempt}_countries.gpkg", [SPEC, NEIGHBOUR])
        time.sleep(0.01)
    for name in (".gpkg", "_countries.gpkg"):
        first, second = ((tmp_path / f"{a}{name}").read_bytes() for a in "ab")
        assert first == second


def test_countries_are_neighbours_that_hold_the_tiles(tmp_path: Path) -> None:
    path = tmp_path / "countries.gpkg"
    write_countries(path, [SPEC, NEIGHBOUR])
    meta, geometry, columns = read(path)
    assert meta["crs"] == "EPSG:4326"
    assert columns["name"].tolist() == ["Alderland", "Brennia", "Corvania"]
    assert shapely.is_valid(geometry).all()
    union = shapely.union_all(geometry)
    assert union.geom_type == "Polygon"
    assert shapely.area(geometry).sum() == pytest.approx(union.area)
    to_degrees = Transformer.from_crs(SPEC.epsg, 4326, always_xy=True)
    x_min, y_min, x_max, y_max = SPEC.grid.bounds
    corners = shapely.points(*to_degrees.transform([x_min, x_max], [y_min, y_max]))
    holders = [np.flatnonzero(shapely.contains(geometry, corner)).tolist() for corner in corners]
    assert all(len(holder) == 1 for holder in holders)
    assert holders[0] != holders[1]


@pytest.mark.parametrize(("padded", "name"), [(False, "33UUP_3_11"), (True, "33UUP_03_11")])
def test_sentinel1_patches_are_as_published(padded: bool, name: str, tmp_path: Path) -> None:
    (folder,) = write_sentinel1(tmp_path, SPEC, [(3, 11)], ["20170613T165043"], padded)
    scene = "S1A_IW_GRDH_1SDV_20170613T165043"
    assert folder == tmp_path / scene / f"{scene}_{name}"
    parsed = Sentinel1Name.parse(folder.name)
    assert (parsed.scene, parsed.col, parsed.row) == (scene, 3, 11)
    assert {p.name for p in folder.iterdir()} == {f"{folder.name}_{b}.tif" for b in ("VV", "VH")}
    means = {}
    for band in ("VV", "VH"):
        with rasterio.open(folder / f"{folder.name}_{band}.tif") as image:
            assert (image.shape, image.dtypes, image.nodata) == ((120, 120), ("float32",), None)
            assert image.compression is None
            assert image.crs.to_epsg() == 32633
            assert (image.bounds.left, image.bounds.top) == SPEC.grid.corner(3, 11)
            means[band] = image.read(1).mean()
    assert -25 < means["VH"] < means["VV"] < 0


def test_sentinel1_scenes_share_the_tile(tmp_path: Path) -> None:
    times = ["20170613T165043", "20170612T165809"]
    folders = write_sentinel1(tmp_path, SPEC, [(0, 0), (11, 0)], times)
    assert [Sentinel1Name.parse(f.name).scene for f in folders] == [
        "S1A_IW_GRDH_1SDV_20170613T165043",
        "S1B_IW_GRDH_1SDV_20170612T165809",
    ]
    pixels = {file.read_bytes() for folder in folders for file in folder.glob("*_VV.tif")}
    assert len(pixels) == 2


def test_demo_holds_what_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_demo(Path("demo"))
    assert config == Path("demo/demo.yaml")
    loaded = yaml.safe_load(config.read_text())
    for path in (
        loaded["products"],
        loaded["corine"]["path"],
        loaded["countries"]["path"],
        loaded["sentinel1"]["root"],
    ):
        assert Path(path).exists(), path
    assert loaded["results"] == "demo/results"
    header, *rows = Path(loaded["products"]).read_text().splitlines()
    assert header.split("\t") == ["product", "level", "source", "path", "id", "checksum"]
    safes = [Path(row.split("\t")[3]) for row in rows]
    assert all((safe / "MTD_MSIL2A.xml").is_file() for safe in safes)
    texts = [(safe / "MTD_MSIL2A.xml").read_text() for safe in safes]
    assert ['"GEOMETRIC_QUALITY">FAILED' in text for text in texts].count(True) == 1
    assert ["GEOMETRIC_QUALITY_FLAG" in text for text in texts].count(True) == 1
    zones = {safe.name.split("_")[5][1:3] for safe in safes}
    assert zones == {"32", "33"}
    indices = [p.name.split("_")[-2:] for p in Path("demo/BigEarthNet-S1").glob("*/*")]
    assert ["3", "4"] in indices
    size = sum(file.stat().st_size for file in Path("demo").rglob("*") if file.is_file())
    assert size < 60e6


def test_everything_of_the_demo_follows_from_the_seed(tmp_path: Path) -> None:
    spec = replace(SPEC, side_m=2_400)
    for attempt in ("a", "b"):
        write_sentinel1(tmp_path / attempt, spec, [(0, 1), (1, 1)], ["20170613T165043"])
    contents = [
        [hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted((tmp_path / a).rglob("*.tif"))]
        for a in "ab"
    ]
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]
