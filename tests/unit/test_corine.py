"""Clipping CORINE and rasterising reference maps."""

import logging

import geopandas as gpd
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from reben import corine, reference_maps
from reben.corine import clip_corine
from reben.domain.grid import TileGrid, TileSquare
from reben.domain.names import PatchName
from reben.land_cover import corine_polygons
from reben.land_cover.clips import remove_old_clips
from reben.land_cover.corine_polygons import Clip, PolygonLayer
from reben.land_cover.nomenclature import NO_CODE
from reben.land_cover.rasterise import rasterise
from reben.runtime.errors import TableError, VectorError
from reben.storage.patch_files import PatchWriter
from tests.builds import a_verdict

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
SQUARE = TileSquare(32633, 300_000, 5_400_000, 2400)
GRID = SQUARE.grid(1200)
VERDICT = a_verdict(TILE, SQUARE)


def write_layer(path, squares, crs="EPSG:32633", layer="clc", driver="GPKG"):
    """A vector file with the polygons of [(code, polygon)]."""
    frame = gpd.GeoDataFrame(
        {"Code_18": [str(code) for code, _ in squares]},
        geometry=[shape for _, shape in squares],
        crs=crs,
    )
    frame.to_file(path, layer=layer, driver=driver)
    return path


def box(col, row, size_m=600):
    """A square by its column and row from the tile's upper left."""
    x, y = 300_000 + col * size_m, 5_400_000 - row * size_m
    return shapely.box(x, y - size_m, x + size_m, y)


@pytest.fixture
def layer_file(tmp_path):
    return write_layer(
        tmp_path / "clc.gpkg", [(211, box(0, 0)), (512, box(1, 0)), (311, box(1, 1))]
    )


@pytest.mark.parametrize("column", ["Code_18", "CODE_18", "code_12", "code90"])
def test_layer_and_column_are_found_by_themselves(tmp_path, column):
    frame = gpd.GeoDataFrame({column: ["211"], "ID": ["a"]}, geometry=[box(0, 0)], crs=32633)
    frame.to_file(tmp_path / "x.gpkg", layer="any", driver="GPKG")
    layer = PolygonLayer.open(tmp_path / "x.gpkg")
    assert (layer.name, layer.code_column) == ("any", column)


def test_no_code_column_is_an_error_that_lists_the_columns(tmp_path):
    frame = gpd.GeoDataFrame({"kind": ["211"]}, geometry=[box(0, 0)], crs=32633)
    frame.to_file(tmp_path / "x.gpkg", driver="GPKG")
    with pytest.raises(
        VectorError, match=r"x\.gpkg: expected one code column, found 0 among: kind"
    ):
        PolygonLayer.open(tmp_path / "x.gpkg")
    with pytest.raises(VectorError, match=r"corine\.code_column is 'code', but the file has: kind"):
        PolygonLayer.open(tmp_path / "x.gpkg", code_column="code")
    assert PolygonLayer.open(tmp_path / "x.gpkg", code_column="kind").code_column == "kind"


def test_two_layers_need_a_choice(tmp_path):
    layer_file = write_layer(tmp_path / "x.gpkg", [(211, box(0, 0))])
    write_layer(layer_file, [(211, box(0, 0))], layer="other")
    with pytest.raises(
        VectorError, match=r"one polygon layer, found 2 among: clc \(Polygon\), other .*set corine"
    ):
        PolygonLayer.open(layer_file)
    assert PolygonLayer.open(layer_file, layer="other").name == "other"
    with pytest.raises(VectorError, match=r"corine\.layer is 'third', but the file has: clc"):
        PolygonLayer.open(layer_file, layer="third")


def test_of_several_layers_the_one_named_as_the_file_is_taken(tmp_path):
    """As in the release of CLC 2018, whose overseas departments are separate layers."""
    path = tmp_path / "U2018_CLC2018_V2020_20u1.gpkg"
    for name in ("U2018_CLC2018_V2020_20u1_FR_GLP", "u2018_clc2018_v2020_20u1"):
        write_layer(path, [(211, box(0, 0))], layer=name)
    assert PolygonLayer.open(path).name == "u2018_clc2018_v2020_20u1"


def test_a_layer_of_lines_is_refused_and_named(tmp_path):
    line = shapely.LineString([(300_000, 5_400_000), (301_200, 5_398_800)])
    path = write_layer(tmp_path / "x.gpkg", [(211, line)])
    with pytest.raises(VectorError, match=r"found 0 among: clc \(LineString\)"):
        PolygonLayer.open(path)


def test_any_kind_of_polygon_and_of_code_is_read(tmp_path):
    """GeoJSON does not state its geometry type, heights are ignored, codes may be numbers."""
    shapes = [
        shapely.force_3d(box(0, 0), 7),
        shapely.MultiPolygon([box(1, 0), box(2, 2)]),
        shapely.GeometryCollection(
            [box(3, 3), shapely.LineString([(3e5, 5.4e6), (3.1e5, 5.39e6)])]
        ),
    ]
    frame = gpd.GeoDataFrame({"Code_18": [211, 311, 512]}, geometry=shapes, crs=32633)
    frame.to_crs(4326).to_file(tmp_path / "x.geojson", driver="GeoJSON")
    clip = PolygonLayer.open(tmp_path / "x.geojson").clip(SQUARE)
    polygons = shapely.from_wkb(clip.wkb)
    assert clip.codes.tolist() == [211, 311, 512]
    assert shapely.area(polygons) == pytest.approx([600**2, 2 * 600**2, 600**2], rel=1e-4)
    assert not shapely.has_z(polygons).any()
    # No line that would be burnt into pixels.
    assert {p.geom_type for p in polygons} <= {"Polygon", "MultiPolygon"}


def test_what_is_no_vector_file_is_refused(tmp_path):
    (tmp_path / "x.gpkg").write_text("no database")
    with pytest.raises(VectorError, match=r"x\.gpkg: expected a vector file"):
        PolygonLayer.open(tmp_path / "x.gpkg")


def test_a_layer_without_a_crs_is_refused(tmp_path):
    write_layer(tmp_path / "x.shp", [(211, box(0, 0))], crs=None, driver="ESRI Shapefile")
    with pytest.raises(VectorError, match=r"x\.shp, layer x: expected a CRS, found none"):
        PolygonLayer.open(tmp_path / "x.shp")


def test_an_unknown_code_is_refused(tmp_path):
    path = write_layer(tmp_path / "x.gpkg", [(211, box(0, 0)), (777, box(1, 0))])
    with pytest.raises(VectorError, match=r"column Code_18: .*found \['777'\]"):
        PolygonLayer.open(path).clip(SQUARE)


def test_no_overlap_is_an_error(tmp_path):
    path = write_layer(tmp_path / "x.gpkg", [(211, box(100, 100))])
    message = rf"^{TILE}: .*no polygon overlaps the tile at \(300000, 5397600"
    with pytest.raises(VectorError, match=message):
        clip_corine(PolygonLayer.open(path), [VERDICT], tmp_path)


def test_invalid_polygons_are_repaired_and_reported(tmp_path, caplog):
    bow_tie = shapely.Polygon(
        [(300_000, 5_400_000), (301_200, 5_398_800), (301_200, 5_400_000), (300_000, 5_398_800)]
    )
    path = write_layer(tmp_path / "x.gpkg", [(211, bow_tie), (311, box(3, 3))])
    with caplog.at_level(logging.WARNING):
        clip = PolygonLayer.open(path).clip(SQUARE)
    assert clip.repaired == 1
    assert "x.gpkg: 1 invalid polygons repaired, e.g. Self-intersection" in caplog.text
    assert shapely.is_valid(shapely.from_wkb(clip.wkb)).all()


def test_a_polygon_without_area_is_left_out_and_reported(tmp_path, caplog):
    """It contains no pixel centre; one of two million polygons must not stop a build."""
    line = shapely.Polygon([(300_000, 5_400_000), (301_200, 5_400_000), (300_000, 5_400_000)])
    path = write_layer(tmp_path / "x.gpkg", [(211, line), (311, box(0, 0))])
    assert PolygonLayer.open(path).clip(SQUARE).codes.tolist() == [311]
    assert "x.gpkg: 1 shapes without area left out" in caplog.text


def test_what_becomes_invalid_by_reprojection_is_repaired(tmp_path):
    """A hole may touch its shell between two vertices, which reprojection moves off the line."""
    x, y = 4_545_000, 2_780_000
    hole = [(x, y + 10_000), (x + 5000, y + 10_010), (x + 5000, y + 9990)]
    shape = shapely.Polygon(
        [(x, y), (x + 20_000, y), (x + 20_000, y + 20_000), (x, y + 20_000)], [hole]
    )
    assert shape.is_valid
    path = write_layer(tmp_path / "x.gpkg", [(211, shape)], crs="EPSG:3035")
    place = gpd.GeoSeries([shape], crs=3035).to_crs(32633).iloc[0]
    assert not place.is_valid
    x_min, _, _, y_max = place.bounds
    clip = PolygonLayer.open(path).clip(TileSquare(32633, round(x_min), round(y_max) - 3000, 8400))
    (found,) = shapely.from_wkb(clip.wkb)
    assert found.is_valid
    assert found.geom_type in ("Polygon", "MultiPolygon")


def test_a_polygon_beyond_the_reach_of_the_zone_is_refused(tmp_path):
    shape = shapely.Polygon([(0, 0), (105, 0), (15, 60)])
    path = write_layer(tmp_path / "x.gpkg", [(211, shape)], crs="EPSG:4326")
    with pytest.raises(VectorError, match=r"x\.gpkg, .*extends too far .* EPSG:32633; cut"):
        PolygonLayer.open(path).clip(SQUARE)


def test_clip_is_geoparquet_in_the_tile_zone(layer_file, tmp_path):
    manifest = clip_corine(PolygonLayer.open(layer_file), [VERDICT], tmp_path / "out")
    path = tmp_path / "out" / manifest["tiles"][TILE]["clip"]
    frame = gpd.read_parquet(path)
    assert frame.crs.to_epsg() == 32633
    assert sorted(frame["code"]) == [211, 311, 512]
    assert frame.area.sum() == pytest.approx(3 * 600**2)


def test_unchanged_clips_are_not_touched_and_old_ones_go(layer_file, tmp_path):
    out = tmp_path / "out"
    other = a_verdict(TILE.replace("UUP", "UVP"), TileSquare(32633, 301_200, 5_400_000, 1200))
    squares = [(211, box(0, 0)), (512, box(2, 0)), (311, box(1, 1))]
    layer_file.unlink()
    before = clip_corine(PolygonLayer.open(write_layer(layer_file, squares)), [VERDICT, other], out)
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    # The same polygons in another order and file, with a change that only affects the second tile.
    layer_file.unlink()
    squares[2] = (312, box(1, 1))
    after = clip_corine(
        PolygonLayer.open(write_layer(layer_file, squares[::-1])), [VERDICT, other], out
    )
    remove_old_clips(out, after)
    changed = {tile for tile in before["tiles"] if before["tiles"][tile] != after["tiles"][tile]}
    assert changed == {TILE}
    assert {p.name for p in out.iterdir()} == {entry["clip"] for entry in after["tiles"].values()}
    kept = after["tiles"][other.tile]["clip"]
    assert (out / kept).stat().st_mtime_ns == times[kept]


def test_a_rejected_tile_has_an_empty_clip(layer_file, tmp_path):
    verdict = a_verdict(TILE, SQUARE, accepted=False)
    manifest = clip_corine(PolygonLayer.open(layer_file), [verdict], tmp_path)
    clip = Clip.read(tmp_path / manifest["tiles"][TILE]["clip"], SQUARE)
    assert len(clip.codes) == len(clip.wkb) == 0


def test_polygons_are_reprojected_before_they_are_clipped(tmp_path):
    """A long edge in EPSG:3035 stays the chord of the complete polygon."""
    far = shapely.box(4_400_000, 2_600_000, 4_800_000, 2_900_000)
    path = write_layer(tmp_path / "x.gpkg", [(211, far)], crs="EPSG:3035")
    grid = TileGrid(32633, 300_000, 5_400_000, 109_800)
    clip = PolygonLayer.open(path).clip(grid)
    whole = gpd.GeoSeries([far], crs=3035).to_crs(32633).iloc[0]
    expected = whole.intersection(
        shapely.box(*grid.bounds).buffer(corine_polygons.MARGIN_M, join_style="mitre")
    )
    ours = shapely.from_wkb(clip.wkb[0])
    assert ours.symmetric_difference(expected).area < 1e-3


def maps_of(polygons, codes, tmp_path, grid=GRID, valid=None):
    raster = rasterise(grid, np.array(codes, np.int16), np.array(polygons, object))
    valid = np.ones((grid.count, grid.count), bool) if valid is None else valid
    tmp_path.mkdir(exist_ok=True)
    return reference_maps.make_reference_maps(TILE, grid, valid, raster, PatchWriter(tmp_path), 2)


shapes = st.lists(
    st.tuples(
        st.sampled_from([111, 211, 311, 512, 523]),
        st.lists(
            st.tuples(st.floats(299_500, 302_900), st.floats(5_397_100, 5_400_500)),
            min_size=3,
            max_size=6,
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25)
@given(shapes)
def test_counts_equal_a_point_in_polygon_test(tmp_path_factory, drawn):
    """The oracle tests every pixel centre with shapely; it does not rasterise."""
    codes, polygons, taken = [], [], shapely.Polygon()
    for code, points in drawn:
        shape = shapely.difference(shapely.convex_hull(shapely.MultiPoint(points)), taken)
        if shape.area > 1:
            codes.append(code)
            polygons.append(shape)
            taken = shapely.union(taken, shape)
    counts = maps_of(polygons, codes, tmp_path_factory.mktemp("maps"))
    x = 300_000 + 5 + 10 * np.arange(240)
    y = 5_400_000 - 5 - 10 * np.arange(240)
    centres = shapely.points(*np.meshgrid(x, y))
    expected = np.full((240, 240), NO_CODE)
    for code, polygon in zip(codes, polygons, strict=True):
        expected[shapely.contains_properly(polygon, centres)] = code
    for (patch,), rows in counts.group_by("patch_id"):
        name = PatchName.parse(patch)
        col, row = name.col, name.row
        window = expected[row * 120 : row * 120 + 120, col * 120 : col * 120 + 120]
        found = dict(zip(*np.unique(window, return_counts=True), strict=True))
        assert dict(rows.select("code", "pixels").iter_rows()) == found
    assert counts["pixels"].sum() == 240**2


def test_maps_hold_the_polygons_with_their_holes(tmp_path):
    ring = shapely.difference(box(0, 0, 1200), box(1, 1, 300))
    counts = maps_of([ring, box(1, 1, 300)], [211, 512], tmp_path / "maps")
    path = tmp_path / "maps" / f"{TILE}_00_00" / f"{TILE}_00_00_reference_map.tif"
    with rasterio.open(path) as dataset:
        pixels = dataset.read(1)
        assert (dataset.compression.name, dataset.dtypes, dataset.nodata) == (
            "deflate",
            ("uint16",),
            0,
        )
        assert (dataset.crs.to_epsg(), dataset.transform.c, dataset.transform.f) == (
            32633,
            3e5,
            5.4e6,
        )
    assert pixels[:30].tolist() == [[211] * 120] * 30
    assert (pixels[30:60, 30:60] == 512).all()
    first = counts.filter(pl.col("patch_id") == f"{TILE}_00_00")
    assert first.select("code", "pixels").rows() == [(211, 14_400 - 900), (512, 900)]


def test_only_valid_patches_get_a_map(tmp_path):
    valid = np.array([[True, False], [False, False]])
    counts = maps_of([box(0, 0, 2400)], [311], tmp_path / "maps", valid=valid)
    assert [p.name for p in (tmp_path / "maps").iterdir()] == [f"{TILE}_00_00"]
    assert counts.rows() == [(f"{TILE}_00_00", 311, 14_400)]


def test_the_published_reference_map(reference, tmp_path):
    """Patch 26_57, the only one with real polygons in the reference scene."""
    grid = TileGrid(32633, 300_000, 5_400_000, 109_800)
    clip = PolygonLayer.open(reference / "scene/U2018_CLC2018_V2020_20u1.gpkg").clip(grid)
    raster = rasterise(grid, clip.codes, shapely.from_wkb(clip.wkb))
    (path,) = (reference / "patches/tiffs/BigEarthNet/Reference_Maps").glob("*/*/*.tif")
    with rasterio.open(path) as dataset:
        published = dataset.read(1)
    window = raster[57 * 120 : 58 * 120, 26 * 120 : 27 * 120]
    np.testing.assert_array_equal(window, published)


def test_command_lines(layer_file, tmp_path, pristine_product, caplog):
    from reben import patches, quality
    from reben.domain.tables import CODE_COUNTS, read_table

    q, table = tmp_path / "q.json", tmp_path / "p.parquet"
    quality.main(["--product", str(pristine_product), "--tile", TILE, "--out", str(q)])
    patches.main(
        ["--product", str(pristine_product), "--tile", TILE]
        + ["--out", str(tmp_path / "p"), "--table", str(table)]
    )
    manifest = tmp_path / "clips" / "manifest.json"
    corine.main(["--corine", str(layer_file), "--quality", str(q), "--manifest", str(manifest)])
    (clip,) = manifest.parent.glob("*.parquet")
    assert pq.read_metadata(clip).num_rows == 3
    counts = tmp_path / "c.parquet"
    reference_maps.main(
        ["--tile", TILE, "--clip", str(clip), "--patches", str(table)]
        + ["--out", str(tmp_path / "m"), "--table", str(counts)]
    )
    assert "of its 4 valid patches have no land cover" in caplog.text
    valid = {p.name for p in (tmp_path / "p").iterdir()}
    assert {p.name for p in (tmp_path / "m").iterdir()} == valid
    assert set(read_table(counts, CODE_COUNTS)["patch_id"]) == valid


def test_a_damaged_clip_is_named(layer_file, tmp_path):
    manifest = clip_corine(PolygonLayer.open(layer_file), [VERDICT], tmp_path / "out")
    path = tmp_path / "out" / manifest["tiles"][TILE]["clip"]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(TableError, match=rf"{path.name}: not a readable table .*remove the file"):
        Clip.read(path, SQUARE)


def test_reading_leaves_the_users_file_alone(layer_file):
    before = layer_file.read_bytes()
    PolygonLayer.open(layer_file).clip(SQUARE)
    assert layer_file.read_bytes() == before
    assert pyogrio.list_layers(layer_file).shape == (1, 2)
