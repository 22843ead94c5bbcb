"""A product is complete if every file matches its manifest."""

import shutil
from pathlib import Path

import pytest

from reben.runtime.errors import ProductError
from reben.safe.manifest import check_whole
from tests.standins import products


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return products.make(tmp_path_factory.mktemp("l1c"))


@pytest.fixture
def safe(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def test_a_whole_product_passes(safe: Path) -> None:
    assert check_whole(safe, safe.stem) > 13


def test_previews_may_come_and_html_may_go(safe: Path) -> None:
    whole = check_whole(safe, safe.stem)
    shutil.rmtree(safe / "HTML")
    (safe / "preview.jpg").touch()
    assert check_whole(safe, safe.stem) == whole - 1


def test_a_missing_image_is_named(safe: Path) -> None:
    image = next(safe.rglob("*_B8A.jp2"))
    image.unlink()
    with pytest.raises(ProductError, match=rf"incomplete: .*{image.name} is missing"):
        check_whole(safe, safe.stem)


def test_a_short_and_a_changed_image_are_named(safe: Path) -> None:
    short, changed = next(safe.rglob("*_B02.jp2")), next(safe.rglob("*_B03.jp2"))
    size = short.stat().st_size
    short.write_bytes(short.read_bytes()[:-5])
    data = bytearray(changed.read_bytes())
    data[-20] ^= 1
    changed.write_bytes(data)
    with pytest.raises(ProductError) as error:
        check_whole(safe, safe.stem)
    assert f"{short.name}: expected {size} bytes, found {size - 5}" in str(error.value)
    assert f"{changed.name}: expected md5:" in str(error.value)


def test_another_product_is_refused(safe: Path) -> None:
    other = safe.stem.replace("T33UUP", "T33UVP")
    with pytest.raises(ProductError, match=rf"expected the product {other}, found {safe.stem}"):
        check_whole(safe, other)


def test_a_manifest_that_lists_too_little_is_refused(safe: Path) -> None:
    manifest = safe / "manifest.safe"
    text = manifest.read_text()
    at = text.index("_B05.jp2")
    start, end = text.rindex("<dataObject ", 0, at), text.index("</dataObject>", at)
    manifest.write_text(text[:start] + text[end + len("</dataObject>") :])
    with pytest.raises(ProductError, match="found none of B05; the manifest is cut"):
        check_whole(safe, safe.stem)


def test_a_manifest_that_points_outside_is_refused(safe: Path) -> None:
    manifest = safe / "manifest.safe"
    manifest.write_text(manifest.read_text().replace("./INSPIRE.xml", "./../../../etc/passwd"))
    with pytest.raises(ProductError, match=r"lists '\.\./\.\./\.\./etc/passwd'"):
        check_whole(safe, safe.stem)


@pytest.mark.parametrize("name", ["manifest.safe", "MTD_MSIL1C.xml"])
def test_entities_are_refused(safe: Path, name: str) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    path = safe / name
    text = path.read_text().partition("?>")[2].replace("<Product_Info>", "<Product_Info>&l9;")
    path.write_text(f'<?xml version="1.0"?><!DOCTYPE x [{laughs}]>{text}')
    if name != "manifest.safe":
        _list_anew(safe, path)
    with pytest.raises(ProductError, match=rf"{name}: refused: it defines XML entities"):
        check_whole(safe, safe.stem)


def test_no_manifest_and_no_xml_are_errors(safe: Path) -> None:
    manifest = safe / "manifest.safe"
    manifest.write_text("<half")
    with pytest.raises(ProductError, match=r"manifest\.safe: is not XML"):
        check_whole(safe, safe.stem)
    manifest.unlink()
    with pytest.raises(ProductError, match=r"manifest\.safe: expected in every product"):
        check_whole(safe, safe.stem)


def test_the_real_manifest_of_another_algorithm_is_read(reference: Path) -> None:
    """SHA3-256, upper and lower case; the images of this tree are dummies."""
    name = "S2B_MSIL1C_20230823T095559_N0509_R122_T34UCF_20230823T120234"
    with pytest.raises(ProductError) as error:
        check_whole(reference / "safe" / f"{name}.SAFE", name)
    assert "DATASTRIP/DS_2BPS_20230823T120234_S20230823T095553/MTD_DS.xml is missing" in str(
        error.value
    )
    assert "sha3" not in str(error.value)  # the existing files match
    assert "and 4" in str(error.value)  # 47 more


def _list_anew(safe: Path, path: Path) -> None:
    """Make the manifest agree with a changed file."""
    import hashlib
    import re

    manifest = safe / "manifest.safe"
    text = manifest.read_text()
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    pattern = rf'size="\d+">(<fileLocation [^>]*{path.name}"/><checksum checksumName="MD5">)\w+'
    manifest.write_text(re.sub(pattern, rf'size="{path.stat().st_size}">\g<1>{digest}', text))
