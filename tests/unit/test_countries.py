"""The nearest country."""

import geopandas as gpd
import numpy as np
import polars as pl
import pytest
import shapely

from reben.countries import assign_country, nearest_country, read_countries
from reben.errors import VectorError


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
    col = published["patch_id"].str.slice(-5, 2).cast(pl.Int64).to_numpy()
    row = published["patch_id"].str.slice(-2).cast(pl.Int64).to_numpy()
    x, y = 300_000 + 1200 * col, 5_400_000 - 1200 * (row + 1)
    boxes = np.column_stack([x, y, x + 1200, y + 1200])
    assert len(published) > 1000
    assert nearest_country(boxes, 32633, countries) == published["country"].to_list()
