"""What lies at 180 degrees: footprints, extents, maps, distances and the nearest country."""

import json

import geopandas
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from reben.countries import nearest_country, read_countries
from reben.domain.grid import TileSquare
from reben.domain.lon_lat import beside, bounds, shortest_span, split_polygon, within_180
from reben.publish import __main__ as catalogue
from reben.publish.footprints import footprints
from reben.publish.stac import extent
from reben.report.distances import Places
from reben.report.world_map import _beside_each_other, _square
from tests.builds import NOMENCLATURE, write_build


def patches(*corners, side_m=1200):
    """Rows of patches from (epsg, x_min, y_min)."""
    return pl.DataFrame(
        [(e, x, y, x + side_m, y + side_m) for e, x, y in corners],
        schema=["epsg", "x_min", "y_min", "x_max", "y_max"],
        orient="row",
    )


#: At 17 degrees south the antimeridian is at an easting of some 819,600 m in zone 60.
BEFORE, ACROSS, BEYOND = ((32760, x, 8_115_000) for x in (816_000, 819_000, 822_000))
IN_ZONE_1 = (32701, 182_000, 8_115_000)
EUROPE = (32633, 300_000, 5_400_000)


def test_a_footprint_across_the_antimeridian_is_in_two_parts():
    before, across, beyond = footprints(patches(BEFORE, ACROSS, BEYOND))
    assert (before.geom_type, across.geom_type, beyond.geom_type) == (
        *("Polygon", "MultiPolygon", "Polygon"),
    )
    west, east = sorted(across.geoms, key=lambda part: -part.bounds[0])
    assert (west.bounds[2], east.bounds[0]) == (180, -180)
    assert beyond.bounds[0] > -180
    # Each is 1.2 km wide, and together they have no gap.
    degrees = 1200 / (111_320 * np.cos(np.radians(17)))
    total = (180 - west.bounds[0]) + (east.bounds[2] + 180)
    assert total == pytest.approx(degrees, rel=0.05)
    for polygon in (before, *across.geoms, beyond):
        assert polygon.exterior.is_ccw
        assert polygon.is_valid
    assert across.area == pytest.approx(before.area, rel=0.01)


def test_footprints_elsewhere_are_the_corners_as_they_are_projected():
    (polygon,) = footprints(patches(EUROPE))
    assert polygon.geom_type == "Polygon"
    assert len(polygon.exterior.coords) == 5
    assert shapely.bounds(polygon).tolist() == bounds(footprints(patches(EUROPE)))[0].tolist()


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([BEFORE], (179.9, 180)),
        ([BEYOND], (-180, -179.9)),
        ([ACROSS], (179.9, -179.9)),
        ([BEFORE, ACROSS, BEYOND], (179.9, -179.9)),
        ([BEFORE, BEYOND], (179.9, -179.9)),
        ([BEFORE, IN_ZONE_1], (179.9, -179.9)),
        ([EUROPE], (12.3, 12.3)),
    ],
)
def test_an_extent_across_the_antimeridian_has_its_west_beyond_its_east(corners, expected):
    west, south, east, north = extent(footprints(patches(*corners)))
    assert (west > east) == (expected[0] > expected[1])
    assert (west, east) == pytest.approx(expected, abs=0.5)
    assert (east - west) % 360 < 1
    assert south < north


def test_the_catalogue_of_tiles_at_the_antimeridian(tmp_path):
    """Items, collection and footprints of a build that lies across it."""
    tile = "S2A_MSIL2A_20180629T223531_N9999_R058_T60SXF"
    results = write_build(tmp_path, [tile], patch_side_m=1200, rejected=())
    for path in [*results.glob("tables/patches/*")]:
        frame = pl.read_parquet(path)
        east, north = 816_000 - frame["tile_x_min"][0], 8_121_000 - frame["tile_y_max"][0]
        shift = [pl.col(name) + east for name in ("x_min", "x_max", "tile_x_min")]
        shift += [pl.col(name) + north for name in ("y_min", "y_max", "tile_y_max")]
        frame = frame.with_columns(*shift, epsg=pl.lit(32760, pl.Int32))
        frame.write_parquet(path)
    words = ["--results", str(results), "--nomenclature", str(NOMENCLATURE), "--name", "x"]
    words += ["--version", "1", "--licence", "MIT", "--lmdb", "s2"]
    catalogue.main([*words, "--out", str(tmp_path / "d")])
    (box,) = json.loads((tmp_path / "d/collection.json").read_text())["extent"]["spatial"]["bbox"]
    assert box[0] > 179 > -179 > box[2]
    items = geopandas.read_parquet(tmp_path / "d/items.parquet")
    boxes = pq.read_table(tmp_path / "d/items.parquet", columns=["bbox"])["bbox"].to_pylist()
    split = items.geometry.geom_type == "MultiPolygon"
    assert 0 < split.sum() < len(items) / 4
    for shape, box, crosses in zip(items.geometry, boxes, split, strict=True):
        assert (box["xmin"] > box["xmax"]) == crosses
        for part in shapely.get_parts(shape):
            assert part.bounds[2] - part.bounds[0] < 0.1
    written = geopandas.read_parquet(tmp_path / "d/footprints.parquet")
    assert (written.geometry.area < 1e-3).all()


def test_the_map_of_tiles_is_no_wider_than_they_are():
    squares = [TileSquare(32760, 760_000, 8_200_000, 109_800)]
    squares += [TileSquare(32701, 190_000, 8_200_000, 109_800)]
    for order in (squares, squares[::-1]):
        points = np.concatenate(_beside_each_other([_square(square) for square in order]))
        assert np.ptp(points[:, 0]) < 4
    europe = [_square(TileSquare(32633, 300_000, 5_400_000, 109_800))] * 2
    assert np.array_equal(_beside_each_other(europe), europe)


def test_the_nearest_training_patch_may_lie_beyond_the_antimeridian():
    places = Places.of(patches(BEFORE, IN_ZONE_1, (32701, 190_000, 8_115_000)))
    found = places.to_train(np.array(["train", "test", "validation"], object))
    assert 0 < found["test"][0] < 15_000
    assert found["validation"][0] == pytest.approx(found["test"][0] + 8000, rel=0.01)


@pytest.mark.parametrize(
    ("shapes", "crs"),
    [
        ([(179.5, 179.8), (-179.6, -179.0)], 4326),
        ([(179.5, 179.8), (180.4, 181.0)], 4326),
        ([(-180.5, -180.2), (-179.6, -179.0)], 4326),
        ([(179.5, 179.8), "ring"], 4326),
    ],
)
@pytest.mark.parametrize("corner", [ACROSS, IN_ZONE_1, BEYOND])
def test_the_nearest_country_may_be_written_in_any_turn(tmp_path, shapes, crs, corner):
    """The one in the east is nearer, whether its ring goes round the globe or not."""
    ring = shapely.Polygon([(179.99, -18), (-179.0, -18), (-179.0, -16), (179.99, -16)])
    outlines = [ring if s == "ring" else shapely.box(s[0], -18, s[1], -16) for s in shapes]
    path = tmp_path / "c.gpkg"
    geopandas.GeoDataFrame({"name": ["A", "B"]}, geometry=outlines, crs=crs).to_file(path)
    epsg, x, y = corner
    squares = np.array([(x + 24_000, y, x + 25_200, y + 1200)])
    assert nearest_country(squares, epsg, read_countries(path)) == ["B"]


@pytest.mark.parametrize("names", [["A", "B"], ["B", "A"]])
def test_an_outline_round_the_globe_does_not_reach_what_is_not_its_own(tmp_path, names):
    ring = shapely.Polygon([(179.99, -18), (-179.0, -18), (-179.0, -16), (179.99, -16)])
    outlines = [ring, shapely.box(178, -18, 179.9, -16)]
    path = tmp_path / "c.gpkg"
    geopandas.GeoDataFrame({"name": names}, geometry=outlines, crs=4326).to_file(path)
    squares = np.array([(790_000, 8_115_000, 791_200, 8_116_200)])
    assert nearest_country(squares, 32760, read_countries(path)) == [names[1]]


longitudes = st.floats(-180, 180)


@example([(139.0, 100.0), (-122.0, 0.0)])
@given(st.lists(st.tuples(longitudes, st.floats(0, 100)), min_size=1, max_size=6))
def test_a_shortest_span_holds_all_spans_and_is_not_longer_than_any_other(spans):
    west = np.array([w for w, _ in spans])
    east = np.array([w + width if w + width <= 180 else w + width - 360 for w, width in spans])
    begin, end = shortest_span(west, east)
    length = (end - begin) % 360 if begin != end else 0
    for w, width in spans:
        if length:
            assert ((w - begin) % 360) + width <= length + 1e-6 or length > 359
    for start in west:
        reach = max(((w - start) % 360) + width for w, width in spans)
        assert length <= reach + 1e-6


@given(st.floats(-720, 720), longitudes)
def test_turns_change_nothing_but_whole_turns(x, centre):
    values = np.array([x])
    for turned in (beside(values, centre), within_180(values)):
        assert (turned - x) / 360 == pytest.approx(round((turned[0] - x) / 360), abs=1e-9)
    assert abs(beside(values, centre)[0] - centre) <= 180 + 1e-9
    assert abs(within_180(values)[0]) <= 180
    if abs(x) <= 180:
        assert within_180(values)[0] == x


def test_a_polygon_that_touches_the_antimeridian_is_not_split():
    for west, east in ((179, 180), (-180, -179)):
        box = shapely.box(west, 0, east, 1)
        assert split_polygon(box) is box
