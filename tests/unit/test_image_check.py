"""Files accepted without GDAL are those that GDAL accepts."""

from pathlib import Path

import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.errors import RasterioError

from reben.runtime.errors import RasterError
from reben.storage.image_check import FormChecker, ImageForm
from tests.geotiffs import s1_arrays, write_patch

FORM = ImageForm(120, 32633, 10, "float32")
CORNER = (300_000.0, 5_800_000.0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = write_patch(tmp_path_factory.mktemp("p") / "p", s1_arrays(0), corner=CORNER)
    return (folder / "p_VV.tif").read_bytes()


def put(folder: Path, data: bytes) -> Path:
    (folder / "x.tif").write_bytes(data)
    return folder / "x.tif"


def test_only_the_first_of_a_kind_is_opened_by_gdal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corners = {f"p{i}": (CORNER[0] + 1200 * i, CORNER[1]) for i in range(3)}
    for i, (name, corner) in enumerate(corners.items()):
        write_patch(tmp_path / name, s1_arrays(i), corner=corner)
    opened = []
    really_open = rasterio.open
    monkeypatch.setattr(
        rasterio, "open", lambda path, **kw: opened.append(path.name) or really_open(path, **kw)
    )
    checker = FormChecker(FORM)
    for name, corner in corners.items():
        checker.check(tmp_path / name / f"{name}_VV.tif", corner)
        checker.check(tmp_path / name / f"{name}_VH.tif", corner)
    assert opened == ["p0_VV.tif"]


@pytest.mark.parametrize(
    ("options", "flaw"),
    [
        (
            {"corner": (CORNER[0] + 10, CORNER[1])},
            "corner and pixel size in metres: expected .3000",
        ),
        ({"epsg": 32632}, "EPSG code: expected 32633, found 32632"),
        ({"dtype": "int32"}, r"type: expected \('float32',\), found \('int32',\)"),
        ({"width": 119}, r"size in pixels: expected \(120, 120\), found \(120, 119\)"),
    ],
    ids=str,
)
def test_another_form_or_place_is_refused_whatever_was_seen_before(
    tmp_path: Path, plain: bytes, options: dict[str, object], flaw: str
) -> None:
    checker = FormChecker(FORM)
    checker.check(put(tmp_path, plain), CORNER)
    arrays = {"VV": s1_arrays(1)["VV"][:, : options.get("width")]}  # type: ignore[misc]
    path = write_patch(tmp_path / "p", arrays, **({"corner": CORNER} | options)) / "p_VV.tif"
    for _ in range(2):
        with pytest.raises(RasterError, match=rf"p_VV\.tif: {flaw}"):
            checker.check(path, CORNER)


@pytest.mark.parametrize("options", [{"compress": "deflate"}, {"tiled": True}, {"BIGTIFF": "YES"}])
def test_any_geotiff_of_the_form_is_taken(tmp_path: Path, options: dict[str, object]) -> None:
    checker = FormChecker(FORM)
    for i in range(2):
        folder = write_patch(tmp_path / f"p{i}", s1_arrays(i), corner=CORNER, **options)
        checker.check(folder / f"p{i}_VV.tif", CORNER)


@settings(max_examples=150)
@given(at=st.integers(0, 430), value=st.integers(0, 255), end=st.sampled_from([None, -1, 300]))
def test_never_right_where_gdal_finds_a_flaw(
    tmp_path_factory: pytest.TempPathFactory, plain: bytes, at: int, value: int, end: int | None
) -> None:
    """Any byte of the header changed, or the file cut off."""
    folder = tmp_path_factory.mktemp("odd")
    checker = FormChecker(FORM)
    checker.check(put(folder, plain), CORNER)
    changed = bytearray(plain)
    changed[at] = value
    path = put(folder, bytes(changed[:end]))
    try:
        checker.check(path, CORNER)
    except RasterError:
        return
    try:
        with rasterio.open(path, driver="GTiff") as dataset:
            assert FORM.flaw(dataset, CORNER) is None
    except RasterioError:
        pytest.fail("GDAL cannot open it")
