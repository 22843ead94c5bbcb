"""The nearest country."""

import geopandas as gpd
import numpy as np
import polars as pl
import pytest
import shapely
from pyproj import Transformer

from reben.countries import assign_country, nearest_country, read_countries
from reben.domain.names import PatchName
from reben.runtime.errors import VectorError


@pytest.fixture
def outlines(tmp_path):
    """Two countries that meet at 15° E, and one far away."""
    shapes = [shapely.box(12, 45, 15, 50), shapely.box(15, 45, 18, 50), shapely.box(-80, 0, -70, 5)]
    frame = gpd.GeoDataFrame({"NAME": ["West", "East", "Far"]}, geometry=shapes, crs=4326)
    frame.to_file(tmp_path / "c.gpkg")
    return tmp_path / "c.gpkg"


def squares(*corners):
    return np.array([(x, y, x + 1200, y + 1200) for x, y in corners])


def test_nearest_and_ties_by_name(outlines):
    countries = read_countries(outlines)
    # The meridian of zone 33 is 15° E, easting 500,000; the second square touches both.
    found = nearest_country(
        squares((480_000, 5_200_000), (499_400, 5_200_000), (520_000, 5_200_000)), 32633, countries
    )
    assert found == ["West", "East", "East"]


def test_names_choose(outlines):
    assert nearest_country(
        squares((520_000, 5.2e6)), 32633, read_countries(outlines, names=["West"])
    ) == ["West"]


def test_a_missing_name_is_an_error_that_lists_names(outlines):
    with pytest.raises(VectorError, match=r"expected the countries \['Nord'\].* East, Far, West"):
        read_countries(outlines, names=["Nord"])


def test_a_missing_column_is_an_error(outlines):
    with pytest.raises(VectorError, match=r"expected a column 'ADMIN'.*found \['NAME'\]"):
        read_countries(outlines, "ADMIN")


def test_what_is_no_layer_with_a_crs_is_refused(tmp_path):
    with pytest.raises(
        VectorError, match=r"none\.gpkg: expected country outlines in a vector file"
    ):
        read_countries(tmp_path / "none.gpkg")
    frame = gpd.GeoDataFrame({"name": ["A"]}, geometry=[shapely.box(0, 0, 1, 1)])
    frame.to_file(tmp_path / "c.shp")
    with pytest.raises(VectorError, match=r"c\.shp, layer c: expected a CRS, found none"):
        read_countries(tmp_path / "c.shp")


@pytest.fixture
def natural_earth(tmp_path):
    """As Natural Earth's package has it: places first, then two layers of polygons."""
    path = tmp_path / "ne.gpkg"
    for layer, shapes in {
        "places": {"Suva": shapely.Point(14, 47), "Lyon": shapely.Point(16, 47)},
        "admin_0": {"West": shapely.box(12, 45, 15, 50), "East": shapely.box(15, 45, 18, 50)},
        "admin_1": {"North": shapely.box(12, 47, 18, 50), "South": shapely.box(12, 45, 18, 47)},
    }.items():
        frame = gpd.GeoDataFrame({"name": list(shapes)}, geometry=list(shapes.values()), crs=4326)
        frame.to_file(path, layer=layer, driver="GPKG")
    return path


def test_countries_are_polygons_of_a_layer_that_is_chosen(natural_earth, tmp_path):
    with pytest.raises(
        VectorError, match=r"ne\.gpkg: expected one polygon layer, .*set countries\.layer"
    ):
        read_countries(natural_earth)
    assert list(read_countries(natural_earth, layer="admin_0")) == ["East", "West"]
    assert list(read_countries(natural_earth, layer="admin_1")) == ["North", "South"]
    for wrong in ("places", "admin_2"):
        with pytest.raises(VectorError, match=rf"countries\.layer is '{wrong}', but the file has"):
            read_countries(natural_earth, layer=wrong)
    named = natural_earth.rename(tmp_path / "admin_0.gpkg")
    assert list(read_countries(named)) == ["East", "West"]


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_a_point_is_no_country(tmp_path, caplog, suffix):
    """In a layer that does not say what it holds."""
    path = tmp_path / f"c.{suffix}"
    point, line = shapely.Point(14, 47), shapely.LineString([(14, 47), (15, 47)])
    frame = gpd.GeoDataFrame(
        {"name": ["Suva", "Rhine", "West"]},
        geometry=[point, line, shapely.box(12, 45, 15, 50)],
        crs=4326,
    )
    frame.to_file(path, engine="pyogrio", geometry_type="Unknown")
    assert list(read_countries(path)) == ["West"]
    assert "2 of 3 features are no polygons and are left out, such as feature" in caplog.text
    assert "(Suva)" in caplog.text
    frame[:2].to_file(path, engine="pyogrio", geometry_type="Unknown")
    with pytest.raises(VectorError, match="expected polygons of countries, found none among its 2"):
        read_countries(path)


def test_a_zone_without_any_country_near_is_an_error(tmp_path):
    path = write_outlines(tmp_path / "c.gpkg", Far=shapely.box(-80, 0, -70, 5))
    with pytest.raises(VectorError, match=r"no country outline is within 60° of EPSG:32633"):
        nearest_country(squares((500_000, 5_200_000)), 32633, read_countries(path))


def write_outlines(path, **shapes):
    """Countries by name; those called None have no name."""
    names = [None if name == "None" else name for name in shapes]
    gpd.GeoDataFrame({"name": names}, geometry=list(shapes.values()), crs=4326).to_file(path)
    return path


def test_outlines_that_cross_themselves_and_land_without_a_name(tmp_path):
    bow = shapely.Polygon([(14, 46), (16, 48), (170, 46), (14, 48)])
    path = write_outlines(
        tmp_path / "c.gpkg",
        Bow=bow,
        West=shapely.box(5, 45, 9, 50),
        **{"None": shapely.box(14, 45, 16, 47)},
    )
    countries = read_countries(path)
    assert list(countries) == ["Bow", "West"]
    assert nearest_country(squares((500_000, 5_200_000)), 32633, countries) == ["Bow"]


@pytest.mark.parametrize(
    ("epsg", "place", "west", "east", "nearest"),
    [
        (32660, (179.8, 50), (178, 179), (-179.9, -179), "East"),
        (32701, (-179.8, -17), (179, 180), (-179, -178), "West"),
    ],
)
def test_the_nearest_may_lie_beyond_the_date_line(tmp_path, epsg, place, west, east, nearest):
    south, north = place[1] - 1, place[1] + 1
    path = write_outlines(
        tmp_path / "c.gpkg",
        West=shapely.box(west[0], south, west[1], north),
        East=shapely.box(east[0], south, east[1], north),
    )
    to_zone = Transformer.from_crs("EPSG:4326", f"EPSG:{epsg}", always_xy=True)
    corner = [round(value) for value in to_zone.transform(*place)]
    assert nearest_country(squares(corner), epsg, read_countries(path)) == [nearest]


def test_leaving_out_far_outlines_changes_nothing(tmp_path):
    """The oracle measures the distance from every patch to every outline."""
    rng = np.random.default_rng(3)
    centres = rng.uniform((5, 40), (25, 60), (30, 2))
    shapes = {
        f"c{i:02d}": shapely.Point(c).buffer(rng.uniform(0.2, 3)) for i, c in enumerate(centres)
    }
    countries = read_countries(write_outlines(tmp_path / "c.gpkg", **shapes))
    corners = [
        rng.integers(low, np.add(low, span), (1000, 2))  # three tiles, and all over the zone
        for low, span in [
            ((2e5, 5e6), 1e5),
            ((6e5, 5e6), 1e5),
            ((4e5, 6e6), 1e5),
            ((2e5, 45e5), 2e6),
        ]
    ]
    boxes = squares(*np.concatenate(corners))
    to_zone = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    projected = [
        shapely.transform(c, to_zone.transform, interleaved=False) for c in countries.values()
    ]
    distances = shapely.distance(np.array(projected)[:, None], shapely.box(*boxes.T))
    expected = [list(countries)[i] for i in distances.argmin(axis=0)]
    assert nearest_country(boxes, 32633, countries) == expected
    assert len(set(expected)) > 10


def test_patches_of_two_zones(outlines):
    frame = pl.DataFrame(
        {
            "patch_id": ["b", "a"],
            "epsg": [32633, 32632],
            "x_min": [520_000, 800_000],
            "y_min": [5_200_000] * 2,
            "x_max": [521_200, 801_200],
            "y_max": [5_201_200] * 2,
        }
    )
    assert assign_country(frame, read_countries(outlines)).rows() == [("a", "West"), ("b", "East")]


def test_published_countries_of_the_tile_at_hand(reference):
    """Tile 33UUP, whose corner is known: all its published rows."""
    names = (
        "Austria Belgium Finland Ireland Kosovo Lithuania Luxembourg Portugal Serbia Switzerland"
    )
    countries = read_countries(reference / "countries/naturalearth_lowres.shp", names=names.split())
    published = pl.read_parquet(reference / "published/metadata.parquet").filter(
        pl.col("patch_id").str.contains("_T33UUP_")
    )
    col, row = np.array([(p.col, p.row) for p in map(PatchName.parse, published["patch_id"])]).T
    x, y = 300_000 + 1200 * col, 5_400_000 - 1200 * (row + 1)
    boxes = np.column_stack([x, y, x + 1200, y + 1200])
    assert len(published) > 1000
    assert nearest_country(boxes, 32633, countries) == published["country"].to_list()
