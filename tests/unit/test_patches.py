"""Cutting products into patches."""

import numpy as np
import polars as pl
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

from reben import patches
from reben.domain.bands import RESOLUTION_M, S2_BANDS
from reben.runtime.errors import ConfigError, ProductError, RasterError
from reben.safe.metadata import L2AProduct
from reben.storage.geotiff_writer import Profile, gdal_options, template
from reben.storage.patch_files import PatchWriter
from reben.synthetic import ProductSpec, write_product
from tests.manifests import restate

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def cut(path, out, *, harmonise_offset=True, threads=2, patch_side_m=1200):
    product = L2AProduct.open(path)
    grid = product.grid(patch_side_m)
    out.mkdir()
    writer = PatchWriter(out)
    found = patches.cut_product(
        product, grid, TILE, writer, harmonise_offset=harmonise_offset, threads=threads
    )
    return grid, found


def whole(product, band):
    with rasterio.open(L2AProduct.open(product).band_file(band)) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("threads", [1, 3])
def test_patches_hold_the_product_pixels_and_only_valid_ones_exist(
    pristine_product, tmp_path, threads
):
    grid, found = cut(pristine_product, tmp_path / "out", threads=threads)
    images = {band: whole(pristine_product, band) for band in S2_BANDS}
    written = 0
    for col in range(grid.count):
        for row in range(grid.count):
            name = f"{TILE}_{col:02d}_{row:02d}"
            expected_valid = True
            for band, res in RESOLUTION_M.items():
                px = 1200 // res
                window = images[band][row * px : (row + 1) * px, col * px : (col + 1) * px]
                expected_valid &= bool((window > 0).all())
                path = tmp_path / "out" / name / f"{name}_{band}.tif"
                if path.exists():
                    with rasterio.open(path) as dataset:
                        np.testing.assert_array_equal(dataset.read(1), window)
            assert found.valid[row, col] == expected_valid
            assert len(list((tmp_path / "out" / name).glob("*"))) == 12 * expected_valid
            written += expected_valid
    assert 0 < written < grid.count**2, "the wedge must leave some patches and take some"


def test_internal_tiles_need_not_fit_the_patches(tmp_path, monkeypatch):
    """Strips of two patch rows, whose last internal tiles reach into the next strip."""
    monkeypatch.setattr("reben.synthetic.product.JP2_TILE_PX", {10: 256, 20: 128, 60: 64})
    spec = ProductSpec(f"{TILE}_20240101T000000", 32733, 300_000, 6_000_000, side_m=6060)
    product = write_product(tmp_path, spec)
    cut(product, tmp_path / "out", threads=3)
    for band, res in RESOLUTION_M.items():
        image, px = whole(product, band), 1200 // res
        for row in range(5):
            name = f"{TILE}_03_{row:02d}"
            with rasterio.open(tmp_path / "out" / name / f"{name}_{band}.tif") as dataset:
                window = image[row * px : (row + 1) * px, 3 * px : 4 * px]
                np.testing.assert_array_equal(dataset.read(1), window)


def test_files_are_those_of_rasterio_byte_for_byte(pristine_product, tmp_path):
    cut(pristine_product, tmp_path / "out")
    for path in sorted((tmp_path / "out").glob("*/*.tif")):
        with rasterio.open(path) as dataset:
            profile = Profile(dataset.crs.to_epsg(), dataset.width, int(dataset.res[0]))
            pixels, transform = dataset.read(1), dataset.transform
        naive = tmp_path / "naive.tif"
        with rasterio.open(naive, "w", **gdal_options(profile), transform=transform) as dataset:
            dataset.write(pixels, 1)
        assert path.read_bytes() == naive.read_bytes(), path.name
        naive.unlink()


def test_published_geotiffs_are_written_byte_for_byte(reference):
    files = sorted(reference.glob("patches/tiffs/BigEarthNet/BigEarthNet-S2/*/*/*.tif"))
    assert len(files) == 12
    for path in files:
        with rasterio.open(path) as dataset:
            form = template(Profile(dataset.crs.to_epsg(), dataset.width, int(dataset.res[0])))
            place = dataset.transform
            ours = form.at(place.c, place.f) + dataset.read(1).tobytes()
        assert ours == path.read_bytes(), path.name


@given(
    epsg=st.sampled_from([32601, 32633, 32760]), x=st.integers(0, 900_000), deflate=st.booleans()
)
def test_a_template_reads_back_as_written(tmp_path_factory, epsg, x, deflate):
    path = tmp_path_factory.mktemp("t") / "x.tif"
    pixels = np.arange(14_400, dtype=np.uint16).reshape(120, 120)
    form = template(Profile(epsg, 120, 10, deflate=deflate))
    data = form.deflated(x, 5e6, pixels) if deflate else form.at(x, 5e6) + pixels.tobytes()
    path.write_bytes(data)
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_epsg() == epsg
        assert dataset.transform == from_origin(x, 5e6, 10, 10)
        assert dataset.nodata == 0
        np.testing.assert_array_equal(dataset.read(1), pixels)


@given(
    values=st.lists(st.integers(0, 65_535), min_size=1, max_size=50),
    offset=st.sampled_from([-1000, -1, -5000]),
)
def test_harmonising_never_makes_a_valid_pixel_nodata(values, offset):
    strip = np.array(values, np.uint16)
    result = patches.harmonise(strip, offset).astype(int)
    np.testing.assert_array_equal(result, np.maximum(strip.astype(int) + offset, 1))


def test_offset_is_removed_or_kept_as_asked(tmp_path):
    name = "S2A_MSIL2A_20220613T101031_N0400_R022_T33UUP_20240101T000000"
    spec = ProductSpec(name, 32633, 300_000, 5_400_000, side_m=1200, boa_offset=True)
    product = write_product(tmp_path, spec)
    raw = whole(product, "B04").astype(int)
    for harmonise, expected in ((True, np.maximum(raw - 1000, 1)), (False, raw)):
        out = tmp_path / str(harmonise)
        cut(product, out, harmonise_offset=harmonise)
        with rasterio.open(out / f"{TILE}_00_00" / f"{TILE}_00_00_B04.tif") as dataset:
            np.testing.assert_array_equal(dataset.read(1), expected)


def test_table_names_bands_and_shares(pristine_product, tmp_path, spec):
    grid, found = cut(pristine_product, tmp_path / "out")
    frame = patches.patch_table(TILE, grid, found)
    assert frame["patch_id"].to_list() == sorted(frame["patch_id"])
    invalid = frame.filter(~pl.col("valid"))
    assert set(invalid["reason"]) == {"nodata in " + " ".join(S2_BANDS)}
    assert frame.filter("valid")["reason"].null_count() == frame["valid"].sum()
    first = frame.row(by_predicate=pl.col("patch_id") == f"{TILE}_01_02", named=True)
    assert (first["x_min"], first["y_max"]) == (301_200, 5_397_600)
    assert (first["x_max"], first["y_min"]) == (302_400, 5_396_400)


def test_shares_of_every_scene_class(product, tmp_path):
    path = L2AProduct.open(product).image("SCL", 20)
    with rasterio.open(path) as dataset:
        profile = dataset.profile
    classes = np.arange(210 * 210, dtype=np.uint8).reshape(210, 210) % 12
    path.unlink()
    with rasterio.open(path, "w", **profile, QUALITY=100, REVERSIBLE="YES") as dataset:
        dataset.write(classes, 1)
    restate(product)
    frame = patches.patch_table(TILE, *cut(product, tmp_path / "out"))
    row = frame.row(by_predicate=pl.col("patch_id") == f"{TILE}_01_02", named=True)
    window = classes[120:180, 60:120]
    for name, hidden in {"snow": [11], "cloud": [8, 9, 10], "shadow": [3]}.items():
        assert row[f"{name}_fraction"] == np.isin(window, hidden).mean() > 0


def test_without_scl_the_shares_are_null(product, tmp_path):
    next(product.glob("GRANULE/*/IMG_DATA/R20m/*SCL*")).unlink()
    grid, found = cut(product, tmp_path / "out")
    assert patches.patch_table(TILE, grid, found)["cloud_fraction"].null_count() == 9


def test_one_nodata_pixel_in_one_band_drops_exactly_its_patch(tmp_path):
    spec = ProductSpec(f"{TILE}_20240101T000000", 32633, 300_000, 5_400_000, side_m=2400)
    product = write_product(tmp_path, spec)
    path = L2AProduct.open(product).band_file("B09")
    with rasterio.open(path) as dataset:
        pixels, profile = dataset.read(1), dataset.profile
    pixels[19, 20] = 0  # the last row of patch row 0, the first column of patch column 1
    path.unlink()
    with rasterio.open(path, "w", **profile, QUALITY=100, REVERSIBLE="YES") as dataset:
        dataset.write(pixels, 1)
    restate(product)
    grid, found = cut(product, tmp_path / "out")
    assert found.valid.tolist() == [[True, False], [True, True]]
    assert patches.patch_table(TILE, grid, found)["reason"].to_list() == [
        None,
        None,
        "nodata in B09",
        None,
    ]


def test_a_truncated_image_is_an_error_and_leaves_nothing(product, tmp_path):
    path = L2AProduct.open(product).band_file("B03")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        RasterError, match=r"_B03_10m\.jp2: .*(truncated or damaged|cannot be opened)"
    ):
        patches.main(
            ["--product", str(product), "--tile", TILE, "--out"]
            + [str(tmp_path / "out" / "x"), "--table", str(tmp_path / "t.parquet")]
        )
    assert not (tmp_path / "t.parquet").exists()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": "EPSG:32632"}, "EPSG code: expected 32633, found 32632; the granule"),
        ({"transform": from_origin(300_010, 5_400_000, 10, 10)}, "corner and pixel size"),
        ({"width": 300, "height": 300}, r"size in pixels: expected \(420, 420\).*\(300, 300\)"),
        ({"dtype": "uint8"}, r"type: expected \('uint16',\), found \('uint8',\)"),
    ],
)
def test_an_image_of_another_product_is_refused(product, tmp_path, change, message):
    path = L2AProduct.open(product).band_file("B04")
    with rasterio.open(path) as dataset:
        profile = dataset.profile | change
    path.unlink()
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.ones((profile["height"], profile["width"]), profile["dtype"]), 1)
    with pytest.raises(RasterError, match=f"B04_10m.jp2: {message}"):
        cut(product, tmp_path / "out")


def test_a_positive_offset_is_refused(product, tmp_path):
    path = product / "MTD_MSIL2A.xml"
    text = path.read_text()
    extra = '<BOA_ADD_OFFSET band_id="1">1000</BOA_ADD_OFFSET></Product_Image_Characteristics>'
    assert "</Product_Image_Characteristics>" in text
    path.write_text(text.replace("</Product_Image_Characteristics>", extra))
    with pytest.raises(
        ProductError, match=r"expected BOA_ADD_OFFSET of zero or less, found .*1000"
    ):
        cut(product, tmp_path / "out")
    cut(product, tmp_path / "as it is", harmonise_offset=False)


def test_a_patch_larger_than_the_tile_is_refused_and_the_product_named(pristine_product):
    with pytest.raises(
        ConfigError, match=rf"{pristine_product.name}: the tile is 4200 m wide, .* of 4800 m"
    ):
        L2AProduct.open(pristine_product).grid(4800)


def test_what_is_no_image_is_named(product, tmp_path):
    L2AProduct.open(product).band_file("B8A").write_bytes(b"no image")
    with pytest.raises(
        RasterError, match=r"_B8A_20m\.jp2: expected a JPEG 2000 image, but it cannot"
    ):
        cut(product, tmp_path / "out")


def test_a_missing_band_is_an_error(product, tmp_path):
    L2AProduct.open(product).band_file("B11").unlink()
    with pytest.raises(ProductError, match="band B11 has no image"):
        cut(product, tmp_path / "out")


def test_a_rejected_product_has_no_patches(product, tmp_path):
    path = product / "MTD_MSIL2A.xml"
    passed = '"GEOMETRIC_QUALITY">PASSED'
    assert passed in path.read_text()
    path.write_text(path.read_text().replace(passed, '"GEOMETRIC_QUALITY">FAILED'))
    patches.main(
        ["--product", str(product), "--tile", TILE, "--required", "GEOMETRIC_QUALITY", "--out"]
        + [str(tmp_path / "out"), "--table", str(tmp_path / "t.parquet")]
    )
    assert list((tmp_path / "out").iterdir()) == []
    assert len(pl.read_parquet(tmp_path / "t.parquet")) == 0


@pytest.mark.parametrize("patch_side_m", [600, 1800])
def test_other_patch_sizes(pristine_product, tmp_path, patch_side_m):
    _, found = cut(pristine_product, tmp_path / "out", patch_side_m=patch_side_m)
    assert found.valid.shape == (4200 // patch_side_m,) * 2
    path = next((tmp_path / "out").glob("*/*_B02.tif"))
    with rasterio.open(path) as dataset:
        assert dataset.shape == (patch_side_m // 10, patch_side_m // 10)
