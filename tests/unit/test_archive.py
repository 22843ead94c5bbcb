"""External archives: harmless ones are unpacked, others refused before a byte is written."""

import copy
import io
import os
import shutil
import stat
import zipfile
from pathlib import Path
from unittest import mock

import pytest

from reben.runtime.errors import ProductError, SpaceError
from reben.safe import archive

PRODUCT = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"
TOP = f"{PRODUCT}.SAFE"


def write_zip(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{TOP}/manifest.safe", b"whole")
        for entry, content in entries:
            packed.writestr(entry, content)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def packed(name: str, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    return info


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("../outside.txt", "outside the product's folder"),
        (f"{TOP}/../../outside.txt", "outside the product's folder"),
        ("/tmp/outside.txt", "outside the product's folder"),
        (f"{TOP}/..\\..\\outside.txt", "backslash"),
        ("C:/outside.txt", "colon"),
        (f"{TOP}/a\nb", "control character"),
        (link(f"{TOP}/GRANULE"), "is a link or device"),
        ("other.SAFE/manifest.safe", "is not below"),
        (f"{TOP}/MANIFEST.safe", "comes twice"),
        (f"{TOP}/manifest.safe/below", "which is a file"),
        (f"{TOP}/{'x' * 300}", "too long"),
        (f"{TOP}/{'/'.join(['x' * 100] * 60)}", "too long"),
        (packed(f"{TOP}/x", zipfile.ZIP_BZIP2), "packed by method 12"),
        (packed(f"{TOP}/x", zipfile.ZIP_LZMA), "packed by method 14"),
    ],
)
def test_an_attack_is_refused_with_its_entry_named(
    tmp_path: Path, entry: zipfile.ZipInfo | str, why: str
) -> None:
    path = write_zip(tmp_path / "attack.zip", (entry, b"gotcha"))
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(ProductError, match="attack.zip: the archive is refused") as error:
        archive.unpack(path, PRODUCT, target)
    assert why in str(error.value)
    assert list(target.iterdir()) == []
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["attack.zip", "deep", "target"]


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write_zip(tmp_path / "twice.zip", (f"{TOP}/manifest.safe", b"other"))
    with pytest.raises(ProductError, match="manifest.safe' comes twice"):
        archive.unpack(path, PRODUCT, tmp_path)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.zip", (f"{TOP}/zeros", bytes(100 * 2**20)))
    assert path.stat().st_size < 200_000
    with pytest.raises(ProductError, match=r"bomb\.zip: .* 104857605 bytes unpacked"):
        archive.unpack(path, PRODUCT, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.zip"]


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A bomb without compression: the directory lists the same bytes over and over."""
    path = write_zip(tmp_path / "bomb.zip", (zipfile.ZipInfo(f"{TOP}/0000"), os.urandom(1 << 20)))
    with zipfile.ZipFile(path, "a") as packed:
        first = packed.getinfo(f"{TOP}/0000")
        for number in range(1, 300):
            again = copy.copy(first)
            again.filename = again.orig_filename = f"{TOP}/{number:04d}"
            packed.filelist.append(again)
        packed._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(ProductError, match=r"bomb\.zip: .* 301 entries of 314572805 bytes"):
        archive.unpack(path, PRODUCT, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.zip"]


@pytest.mark.parametrize("offset", [2**63 - 1, 2**40])
def test_an_entry_that_starts_outside_the_archive_is_refused(tmp_path: Path, offset: int) -> None:
    path = write_zip(tmp_path / "far.zip", (f"{TOP}/far", b""))
    with zipfile.ZipFile(path, "a") as packed:
        packed.getinfo(f"{TOP}/far").header_offset = offset
        packed._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(ProductError, match=f"/far' starts at byte {offset}, outside the archive"):
        archive.unpack(path, PRODUCT, tmp_path)


def test_an_entry_that_is_shorter_than_its_size_is_damage(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "short.zip", (f"{TOP}/short", b"x" * 5400))
    with zipfile.ZipFile(path, "a") as packed:
        info = packed.getinfo(f"{TOP}/short")
        info.compress_size = info.CRC = 0  # the checksum of nothing
        packed._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(ProductError, match=r"damaged one \(.*/short has 0 bytes of 5400\)"):
        archive.unpack(path, PRODUCT, tmp_path)


def test_a_name_that_is_no_utf_8_is_damage(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "name.zip", (f"{TOP}/\u00fc", b""))
    path.write_bytes(path.read_bytes().replace("\u00fc".encode(), b"\xff\xff"))
    with pytest.raises(ProductError, match=r"name\.zip: expected a complete zip .*utf-8"):
        archive.unpack(path, PRODUCT, tmp_path)


def test_a_disk_without_room_is_found_before_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "large.zip", (f"{TOP}/image", os.urandom(5000)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=5000))
    with pytest.raises(
        SpaceError, match=r"expected 0\.0 GB of free disk for unpacking .*large\.zip"
    ):
        archive.unpack(path, PRODUCT, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["large.zip"]


def test_an_entry_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    """The directory lies about the size of an entry: reading stops at the stated size."""
    path = write_zip(tmp_path / "liar.zip", (f"{TOP}/zeros", bytes(1 << 20)))
    data = path.read_bytes().replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(data)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(ProductError, match=r"liar\.zip: expected a complete zip"):
        archive.unpack(path, PRODUCT, target)
    assert sum(p.stat().st_size for p in target.rglob("*") if p.is_file()) <= 20


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    entries = [(f"{TOP}/{number}", b"") for number in range(10_001)]
    path = write_zip(tmp_path / "many.zip", *entries)
    with pytest.raises(ProductError, match=r"many\.zip: .* 10002 entries"):
        archive.unpack(path, PRODUCT, tmp_path)


@pytest.mark.parametrize("length", [0, 10, 400])
def test_a_cut_archive_is_an_error_with_its_name(tmp_path: Path, length: int) -> None:
    path = write_zip(tmp_path / "cut.zip", (f"{TOP}/image", os.urandom(1000)))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ProductError, match=r"cut\.zip: expected a complete zip .* fetch it again"):
        archive.unpack(path, PRODUCT, tmp_path)


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(f"{TOP}/image", b"pixels" * 100)
    data = bytearray(buffer.getvalue())
    data[data.index(b"pixels")] ^= 1
    path = tmp_path / "flipped.zip"
    path.write_bytes(data)
    with pytest.raises(ProductError, match=r"flipped\.zip: expected a complete zip"):
        archive.unpack(path, PRODUCT, tmp_path)


def test_dropped_folders_are_made_again(tmp_path: Path) -> None:
    for folder in ("DATASTRIP/DS_1", "GRANULE/L1C_1/IMG_DATA"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "manifest.safe").touch()
    archive.restore_empty_folders(tmp_path)
    folders = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_dir()}
    assert folders >= {"AUX_DATA", "HTML", "DATASTRIP/DS_1/QI_DATA", "GRANULE/L1C_1/AUX_DATA"}
    archive.restore_empty_folders(tmp_path)


def test_the_real_archive_unpacks(reference: Path, tmp_path: Path) -> None:
    name = "S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042"
    archive.unpack(reference / "safe" / f"{name}.zip", name, tmp_path)
    assert (tmp_path / "MTD_MSIL1C.xml").stat().st_size == 44568
    assert len(list(tmp_path.glob("GRANULE/*/IMG_DATA/*.jp2"))) == 14
