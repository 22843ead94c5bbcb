"""The generator of inputs: realistic in format, the same for the same seed."""

import hashlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from reben.domain.bands import BAND_IDS, RESOLUTION_M
from reben.runtime.errors import ConfigError
from reben.synthetic import ProductSpec, write_product
from reben.synthetic.__main__ import main
from reben.synthetic.demo import demo_specs
from reben.synthetic.scene import Scene

SPEC = replace(
    demo_specs()[0],
    side_m=3_000,
    nodata_wedge=0.2,
    cloud_fraction=0.2,
    snow_fraction=0.15,
    seed=5,
)
L1C = replace(SPEC, name="S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("products"), SPEC)


def digests(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def images(product: Path) -> dict[str, Path]:
    """Images by what follows the time in their names: ``B02_10m`` or ``B02``."""
    return {path.stem.split("_", 2)[2]: path for path in product.rglob("*.jp2")}


def quality(product: Path) -> dict[str, str | None]:
    root = ElementTree.parse(product / f"MTD_{product.name[4:10]}.xml").getroot()
    found = root.find(".//Quality_Inspections")
    assert found is not None
    return {check.get("checkType") or check.tag: check.text for check in found}


@pytest.mark.parametrize(("resolution_m", "first"), [(10, "B4"), (20, "B5"), (60, "B1")])
def test_gdal_driver_opens_l2a(product: Path, resolution_m: int, first: str) -> None:
    name = f"SENTINEL2_L2A:{product}/MTD_MSIL2A.xml:{resolution_m}m:EPSG_32633"
    with rasterio.open(name) as opened:
        assert opened.shape == (3000 // resolution_m,) * 2
        assert opened.crs.to_epsg() == 32633
        assert opened.transform[:6] == (resolution_m, 0, 342_000, 0, -resolution_m, 5_340_000)
        assert opened.descriptions[0].startswith(f"{first},")
        band = f"B{int(first[1:]):02d}_{resolution_m}m"
        with rasterio.open(images(product)[band]) as image:
            np.testing.assert_array_equal(opened.read(1), image.read(1))


def test_gdal_driver_opens_l1c(tmp_path: Path) -> None:
    product = write_product(tmp_path, L1C)
    assert sorted(images(product)) == sorted(BAND_IDS)
    for resolution_m, bands in ((10, 4), (20, 6), (60, 3)):
        name = f"SENTINEL2_L1C:{product}/MTD_MSIL1C.xml:{resolution_m}m:EPSG_32633"
        with rasterio.open(name) as opened:
            assert (opened.count, opened.width) == (bands, 3000 // resolution_m)
            assert opened.read().max() > 0


def test_images_are_as_the_real_ones(product: Path) -> None:
    found = images(product)
    native = {f"{band}_{resolution_m}m" for band, resolution_m in RESOLUTION_M.items()}
    assert set(found) == native | {"SCL_20m"}
    for path in found.values():
        with rasterio.open(path) as image:
            resolution_m = int(path.stem[-3:-1])
            assert image.driver == "JP2OpenJPEG"
            assert image.nodata is None
            assert image.crs.to_epsg() == 32633
            assert image.bounds == (342_000, 5_337_000, 345_000, 5_340_000)
            assert image.res == (resolution_m, resolution_m)
            assert image.dtypes[0] == ("uint8" if "SCL" in path.stem else "uint16")


def test_images_are_lossless_and_tiled(tmp_path: Path) -> None:
    spec = replace(SPEC, side_m=12_000, scl=False)
    product = write_product(tmp_path, spec)
    with rasterio.open(images(product)["B02_10m"]) as image:
        assert image.block_shapes == [(1024, 1024)]
        np.testing.assert_array_equal(image.read(1), Scene(spec).band("B02", 10))
    assert "SCL_20m" not in images(product)


def test_nodata_lies_in_the_wedge_of_every_band(product: Path) -> None:
    wedge = SPEC.unsensed(10)
    assert wedge.mean() == pytest.approx(0.2, abs=0.01)
    assert wedge[0].sum() > wedge[-1].sum() > 0
    for name, path in images(product).items():
        factor = int(path.stem[-3:-1]) // 10
        with rasterio.open(path) as image:
            np.testing.assert_array_equal(
                image.read(1) == 0, wedge[::factor, ::factor], err_msg=name
            )


def test_weather_is_the_same_in_bands_and_classification(product: Path) -> None:
    found = images(product)
    with rasterio.open(found["SCL_20m"]) as image:
        scl = image.read(1)
    with rasterio.open(found["B02_10m"]) as image:
        blue = image.read(1)[::2, ::2]
    with rasterio.open(found["B11_20m"]) as image:
        swir = image.read(1)
    assert set(np.unique(scl)) <= {0, 3, 4, 5, 6, 8, 9, 10, 11}
    sensed = scl > 0
    share = np.isin(scl, (8, 9, 10)).sum() / scl.size
    assert share == pytest.approx(SPEC.cloud_fraction, abs=0.08)
    thick, snow, rest = scl == 9, scl == 11, np.isin(scl, (4, 5, 6))
    assert np.median(blue[thick]) > 4000 > np.median(blue[rest & sensed])
    assert np.median(blue[snow]) > 5000 > 3000 > np.median(swir[snow])
    xml = (product / "MTD_MSIL2A.xml").read_text()
    stated = float(xml.partition("<Cloud_Coverage_Assessment>")[2].partition("<")[0])
    assert stated == pytest.approx(100 * np.isin(scl, (8, 9, 10)).sum() / sensed.sum(), abs=1e-5)


def test_vegetation_is_green_in_infrared_and_water_dark() -> None:
    spec = replace(SPEC, side_m=15_000, cloud_fraction=0, snow_fraction=0)
    scene = Scene(spec)
    red, infrared, scl = scene.band("B04", 20), scene.band("B08", 20), scene.classification()
    vegetation, water = scl == 4, scl == 6
    assert np.median(infrared[vegetation]) > 3 * np.median(red[vegetation])
    assert np.median(infrared[water]) < 300 < np.median(infrared[vegetation])


def test_coarse_bands_are_averages_of_the_same_land() -> None:
    scene = Scene(SPEC)
    fine, coarse = scene.band("B04", 10, 0).astype(float), scene.band("B04", 60, 0)
    averaged = fine.reshape(50, 6, 50, 6).mean((1, 3))
    inside = ~SPEC.unsensed(60)
    assert np.abs(averaged - coarse)[inside].max() <= 1


def test_same_seed_same_bytes_whatever_the_threads(product: Path, tmp_path: Path) -> None:
    for threads in ("1", "2"):
        with rasterio.Env(GDAL_NUM_THREADS=threads):
            again = write_product(tmp_path / threads, SPEC)
        assert digests(again) == digests(product)
    other = write_product(tmp_path / "other", replace(SPEC, seed=6))
    assert images(other).keys() == images(product).keys()
    assert digests(other)[_path(other)] != digests(product)[_path(product)]


def _path(product: Path) -> str:
    return images(product)["B02_10m"].relative_to(product).as_posix()


def test_two_days_show_the_same_land_under_other_clouds() -> None:
    clear = replace(SPEC, cloud_fraction=0, snow_fraction=0)
    later = replace(clear, name=clear.name.replace("20170613T", "20170713T"))
    first, second = Scene(clear).band("B04", 10, 0), Scene(later).band("B04", 10, 0)
    np.testing.assert_array_equal(first, second)
    clouds = [Scene(replace(s, cloud_fraction=0.3)).cloud for s in (clear, later)]
    assert (clouds[0] != clouds[1]).mean() > 0.1


@pytest.mark.parametrize("spec", [SPEC, L1C], ids=["L2A", "L1C"])
def test_offset_shifts_values_and_is_declared(spec: ProductSpec, tmp_path: Path) -> None:
    plain, shifted = Scene(spec), Scene(replace(spec, boa_offset=True))
    sensed = ~spec.unsensed(20)
    before, after = plain.band("B05", 20), shifted.band("B05", 20)
    np.testing.assert_array_equal(before[sensed] + 1000, after[sensed])
    assert not after[~sensed].any()
    product = write_product(tmp_path, shifted.spec)
    tag = "BOA_ADD_OFFSET" if spec.is_l2a else "RADIO_ADD_OFFSET"
    root = ElementTree.parse(next(product.glob("MTD_MSI*.xml"))).getroot()
    offsets = {node.get("band_id"): node.text for node in root.iter(tag)}
    assert offsets == {str(k): "-1000" for k in range(13)}


def test_quality_in_both_spellings(product: Path, tmp_path: Path) -> None:
    assert set(quality(product).values()) == {"PASSED"}
    assert len(quality(product)) == 6
    failed = replace(SPEC, quality={"GEOMETRIC_QUALITY": "FAILED"}, indicator_style="flag")
    found = quality(write_product(tmp_path, failed))
    assert found.pop("GEOMETRIC_QUALITY_FLAG") == "FAILED"
    assert set(found) == {
        f"{check}_FLAG"
        for check in (
            "FORMAT_CORRECTNESS",
            "GENERAL_QUALITY",
            "RADIOMETRIC_QUALITY",
            "SENSOR_QUALITY",
        )
    }
    assert set(found.values()) == {"PASSED"}


def test_resampled_copies_lie_beside_the_native_bands(tmp_path: Path) -> None:
    found = images(write_product(tmp_path, replace(SPEC, resampled_copies=True)))
    assert {"B01_20m", "B02_20m", "B02_60m", "B8A_60m", "SCL_60m", "B01_60m", "B02_10m"} <= set(
        found
    )
    assert not {"B08_20m", "B08_60m", "B09_20m"} & set(found)


@pytest.mark.parametrize(
    ("name", "checksum"),
    [
        (SPEC.name, "MD5"),
        ("S2B_MSIL1C_20230823T095559_N0509_R122_T34UCF_20230823T120234", "SHA3-256"),
    ],
)
def test_manifest_lists_every_file(name: str, checksum: str, tmp_path: Path) -> None:
    product = write_product(tmp_path, replace(SPEC, name=name))
    root = ElementTree.parse(product / "manifest.safe").getroot()
    listed = {}
    for stream in root.iter("byteStream"):
        location, digest = stream.find("fileLocation"), stream.find("checksum")
        assert location is not None
        assert digest is not None
        data = (product / location.attrib["href"]).read_bytes()
        assert int(stream.attrib["size"]) == len(data)
        assert digest.attrib["checksumName"] == checksum
        algorithm = hashlib.md5 if checksum == "MD5" else hashlib.sha3_256
        assert digest.text == algorithm(data).hexdigest()
        listed[location.attrib["href"].removeprefix("./")] = data
    assert {*listed, "manifest.safe"} == set(digests(product))
    identities = [node.attrib["ID"] for node in root.iter("dataObject")]
    assert len(identities) == len(set(identities))


def test_folders_that_sen2cor_wants_are_there(tmp_path: Path) -> None:
    product = write_product(tmp_path, L1C)
    for pattern in ("DATASTRIP/*/QI_DATA", "GRANULE/*/AUX_DATA", "AUX_DATA", "HTML"):
        assert list(product.glob(pattern)), pattern


def test_a_single_patch_is_the_smallest_useful_tile(tmp_path: Path) -> None:
    product = write_product(tmp_path, replace(SPEC, side_m=1200))
    with rasterio.open(images(product)["B01_60m"]) as image:
        assert image.shape == (20, 20)


def test_image_files_have_the_size_of_real_ones(tmp_path: Path) -> None:
    # Real full-size 10 m bands take 90 to 130 MB, that is 0.75 to 1.08 bytes a pixel.
    spec = replace(SPEC, side_m=15_360, nodata_wedge=0, cloud_fraction=0.05, snow_fraction=0)
    product = write_product(tmp_path, spec)
    for band in ("B02", "B03", "B04", "B08"):
        path = images(product)[f"{band}_10m"]
        assert 0.75 < path.stat().st_size / (spec.side_m // 10) ** 2 < 1.08, band


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side_m": 1000}, "side_m is 1000; expected a positive multiple of 60"),
        ({"cloud_fraction": 1.5}, "cloud_fraction is 1.5; expected 0 to 1"),
        ({"quality": {"GEOMETRY": "FAILED"}}, "'GEOMETRY' is not a quality indicator"),
        ({"name": SPEC.product.tile}, "expected a product name with processing time"),
    ],
)
def test_impossible_specs_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SPEC, **change)  # type: ignore[arg-type]


def test_command_line_writes_a_product(tmp_path: Path) -> None:
    arguments = ["product", "--out", str(tmp_path), "--name", L1C.name, "--epsg", "32633"]
    main([*arguments, "--x-min", "300000", "--y-max", "5400000", "--side-m", "1200"])
    with rasterio.open(images(tmp_path / f"{L1C.name}.SAFE")["B02"]) as image:
        assert image.bounds == (300_000, 5_398_800, 301_200, 5_400_000)
