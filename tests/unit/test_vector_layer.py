"""Layers of polygons that are not what they seem: index, geometries, pages, turns of the globe."""

import contextlib
import logging
import sqlite3
import struct

import numpy as np
import pyogrio
import pytest
import shapely

from reben.countries import read_countries
from reben.domain.grid import TileSquare
from reben.land_cover.corine_polygons import PolygonLayer
from reben.runtime.errors import VectorError

SQUARE = TileSquare(32633, 300_000, 5_400_000, 6000)
#: 10 x 10 squares that cover the tile, and 300 others below it.
SHAPES = [
    shapely.box(300_000 + 600 * (i % 10), y - 600, 300_600 + 600 * (i % 10), y)
    for i in range(400)
    for y in [5_400_000 - 600 * (i // 10)]
]
FORMATS = ["gpkg", "shp", "fgb", "gdb", "geojson"]


def write(path, shapes=SHAPES, crs="EPSG:32633", kind="Polygon"):
    """Polygons with codes in turn; what is bytes is written as WKB, damaged or not."""
    wkb = [s if isinstance(s, bytes | None) else shapely.to_wkb(s) for s in shapes]
    codes = np.array(["211", "311", "512"], object)[np.arange(len(wkb)) % 3]
    pyogrio.raw.write(
        path,
        np.array(wkb, object),
        [codes, codes],
        ["Code_18", "name"],
        geometry_type=kind,
        crs=crs,
        driver="OpenFileGDB" if path.suffix == ".gdb" else None,
    )
    return path


def attempt(path, caplog):
    """What a clip covers, and what is said of the file; nothing else may be raised."""
    caplog.clear()
    try:
        return covered(path), caplog.text
    except VectorError as error:
        return 0, str(error)


def covered(path, square=SQUARE):
    """Which share of a tile the clip covers."""
    clip = PolygonLayer.open(path).clip(square)
    return sum(shapely.from_wkb(clip.wkb)[i].intersection(shapely.box(*square.bounds)).area
               for i in range(len(clip.wkb))) / square.tile_side_m**2  # fmt: skip


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_read_to_the_end_without_a_word(tmp_path, caplog, suffix):
    # One whose extent meets the tile, while it does not.
    corner = shapely.Polygon(
        [
            (299_000, 5_393_990),
            (307_000, 5_393_990),
            (307_000, 5_402_000),
            (307_010, 5_402_000),
            (307_010, 5_393_980),
            (299_000, 5_393_980),
        ]
    )
    path = write(tmp_path / f"x.{suffix}", [*SHAPES[:100], corner])
    assert covered(path) == pytest.approx(1, abs=1e-4)
    assert len(PolygonLayer.open(path).clip(SQUARE).wkb) == 100
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM rtree_x_geom WHERE id % 3", "UPDATE rtree_x_geom SET minx = 0, maxx = 1",
     "DELETE FROM rtree_x_geom"],
)  # fmt: skip
def test_what_a_spatial_index_lacks_is_read_without_it(tmp_path, caplog, damage):
    path = write(tmp_path / "x.gpkg")
    with sqlite3.connect(path) as database:
        database.execute(damage)
    assert covered(path) == pytest.approx(1)
    assert "x.gpkg, layer x: its spatial index lacks" in caplog.text
    assert "feature 1;" in caplog.text or "feature 2;" in caplog.text


def test_a_damaged_index_of_a_flatgeobuf_loses_no_polygon(tmp_path, caplog):
    path = write(tmp_path / "x.fgb")
    data = bytearray(path.read_bytes())
    whole = covered(path)
    for at in range(2000, 16_000, 500):  # the index lies between header and features
        damaged = bytes(data[:at]) + bytes(40) + bytes(data[at + 40 :])
        path.write_bytes(damaged)
        found, words = attempt(path, caplog)
        assert found == whole or path.name in words


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "gdb", "geojson"])
def test_features_without_geometry_are_counted_and_named(tmp_path, caplog, suffix):
    path = write(
        tmp_path / f"x.{suffix}", [None if i % 4 == 1 else s for i, s in enumerate(SHAPES)]
    )
    assert covered(path) == pytest.approx(0.75, abs=1e-4)
    assert "100 of 400 features (25.0 %) have no geometry and are left out" in caplog.text
    caplog.clear()
    read_countries(path)
    assert "100 of 400 features (25.0 %) have no geometry" in caplog.text


def test_a_shapefile_that_is_half_zeros_is_said_to_be_one(tmp_path, caplog):
    path = write(tmp_path / "x.shp")
    data = path.read_bytes()
    record = 100 + 200 * ((len(data) - 100) // 400)
    path.write_bytes(data[:record] + bytes(len(data) - record))
    covered(path)
    assert "200 of 400 features (50.0 %) have no geometry" in caplog.text


def test_features_that_the_file_says_to_have_are_missed(tmp_path, caplog):
    """Others than GDAL may leave the count of a GeoPackage as it was; so it is a warning there."""
    path = write(tmp_path / "x.gpkg")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE gpkg_ogr_contents SET feature_count = 500")
    assert covered(path) == pytest.approx(1)
    assert "x.gpkg, layer x: it says to have 500 features, but 400 are read; check" in caplog.text
    path = write(tmp_path / "x.fgb")
    data = bytearray(path.read_bytes())
    (at,) = (i for i in range(400) if data[i : i + 8] == (400).to_bytes(8, "little"))
    data[at : at + 8] = (500).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(VectorError, match=r"x\.fgb, layer x"):
        covered(path)


def unclosed(shape):
    """WKB whose ring does not end where it began."""
    wkb = bytearray(shapely.to_wkb(shape))
    wkb[-16:] = struct.pack("<2d", *np.array(shape.bounds[:2]) + 50)
    return bytes(wkb)


@pytest.mark.parametrize(("suffix", "number"), [("gpkg", 8), ("fgb", None), ("gdb", 8)])
def test_an_unclosed_ring_names_file_layer_and_feature(tmp_path, suffix, number):
    shapes = [*SHAPES[:7], unclosed(SHAPES[7]), *SHAPES[8:]]
    path = write(tmp_path / f"x.{suffix}", shapes)
    words = (
        rf"x\.{suffix}, layer x, feature {number or '[0-9]+'} \(Code_18 311\): expected a polygon"
    )
    with pytest.raises(VectorError, match=words):
        PolygonLayer.open(path).clip(SQUARE)
    with pytest.raises(VectorError, match=rf"x\.{suffix}, layer x, feature {number or '[0-9]+'} "):
        read_countries(path)


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "fgb", "gdb"])
@pytest.mark.parametrize("kind", ["zeros", "tail", "cut", "flip"])
def test_damaged_files_give_all_polygons_or_words(tmp_path, caplog, suffix, kind):
    """Never a traceback, and never fewer polygons without the name of the file."""
    rng = np.random.default_rng([ord(letter) for letter in suffix + kind])
    path = write(tmp_path / f"x.{suffix}")
    target = max(path.iterdir(), key=lambda p: p.stat().st_size) if path.is_dir() else path
    good = target.read_bytes()
    whole = covered(path)
    caplog.clear()
    lost = 0
    for at in rng.integers(0, len(good), 12).tolist():
        damaged = {
            "zeros": good[:at] + bytes(min(4096, len(good) - at)) + good[at + 4096 :],
            "tail": good[:at] + bytes(len(good) - at),
            "cut": good[:at],
            "flip": good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :],
        }[kind]
        target.write_bytes(damaged)
        found, words = attempt(path, caplog)
        if kind != "flip":  # which may have moved a corner
            assert found == pytest.approx(whole) or path.name in words
        lost += bool(words)
    assert lost or kind == "flip"


FIJI = TileSquare(32760, 816_420, 8_121_000, 6000)
WEST, EAST = (179.5, 180.0), (-180.0, -179.5)


def cells(*spans, turn=0.0):
    """Cells of 0.01 degrees that cover the tile at the antimeridian."""
    return [
        shapely.box(x + turn, y, x + turn + 0.01, y + 0.01)
        for west, east in spans
        for x in np.arange(west, east - 1e-9, 0.01).round(6)
        for y in np.arange(-17.2, -16.8 - 1e-9, 0.01).round(6)
    ]


def wrapped(shape):
    """As some tools write it: a ring round the globe."""
    return shapely.transform(
        shape, lambda x, y: (np.where(x > 180, x - 360, x), y), interleaved=False
    )


@pytest.mark.parametrize(
    ("shapes", "crs"),
    [
        (cells(WEST, EAST), 4326),
        (cells(WEST, (180.0, 180.5)), 4326),
        (cells((-180.5, -180.0), (-180.0, -179.5)), 4326),
        (cells(WEST, (180.0, 180.5), turn=-360.0), 4326),
        ([shapely.box(179.5, -17.2, 180.5, -16.8)], 4326),
        ([wrapped(shapely.box(179.5, -17.2, 180.5, -16.8))], 4326),
        ([shapely.union_all(cells(WEST, EAST))], 4326),
        (cells(WEST, EAST), 4167),
        ([shapely.box(-20_037_508.342, -2e6, -19.9e6, -1.8e6),
          shapely.box(19.9e6, -2e6, 20_037_508.342, -1.8e6)], 3857),
    ],
)  # fmt: skip
@pytest.mark.parametrize("epsg", [32760, 32701])
def test_a_layer_is_read_on_both_sides_of_the_antimeridian(tmp_path, caplog, shapes, crs, epsg):
    square = FIJI if epsg == 32760 else TileSquare(32701, 178_000, 8_121_000, 6000)
    path = write(tmp_path / "x.gpkg", shapes, crs=f"EPSG:{crs}", kind="Unknown")
    assert covered(path, square) == pytest.approx(1, abs=1e-4)
    # Parts of one polygon on either side touch there.
    warnings = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert not [words for words in warnings if "repaired" not in words]


def test_nothing_is_read_round_the_globe_for_a_tile_across_the_antimeridian(tmp_path):
    layer = PolygonLayer.open(write(tmp_path / "x.gpkg", SHAPES[:1], crs="EPSG:4326"))
    windows = layer._windows(shapely.box(*FIJI.bounds), FIJI)
    assert len(windows) == 3
    assert all(0 < east - west < 0.1 for west, _, east, _ in windows)


def test_a_layer_from_0_to_360_is_read_west_of_greenwich(tmp_path):
    square = TileSquare(32630, 600_000, 5_400_000, 6000)
    path = write(tmp_path / "x.gpkg", [shapely.box(350, 45, 361, 55)], crs="EPSG:4326")
    assert covered(path, square) == pytest.approx(1)
