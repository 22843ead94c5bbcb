"""Inputs from outside: which files, their stamps and digests."""

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from reben.memory.sources import Source
from reben.runtime.files import sha256_file

OLD = (1_000_000_000, 1_000_000_000)


def look(source: Source) -> tuple[str, str]:
    """The stamp and the digest of an input."""
    files = source.files()
    return source.stamp(files), source.digest(files)


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("code,class\n")
    assert look(Source(path))[1] == sha256_file(path)


@pytest.mark.parametrize("keep_time", [False, True])
def test_another_content_of_the_same_size_and_time_is_seen(tmp_path: Path, keep_time: bool) -> None:
    path = tmp_path / "a.csv"
    path.write_text("one")
    os.utime(path, OLD)
    before = look(Source(path))
    path.write_text("two")
    if keep_time:
        os.utime(path, OLD)
    after = look(Source(path))
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_copy_has_another_stamp_and_the_same_digest(tmp_path: Path) -> None:
    product = tmp_path / "a.SAFE"
    (product / "GRANULE/x").mkdir(parents=True)
    (product / "MTD.xml").write_text("<a/>")
    (product / "GRANULE/x/B02.jp2").write_bytes(b"pixels")
    before = look(Source(product))
    copy = tmp_path / "b.SAFE"
    shutil.copytree(product, copy)
    after = look(Source(copy))
    assert before[0] != after[0]
    assert before[1] == after[1]
    (copy / "GRANULE/x/B02.jp2").write_bytes(b"Pixels")
    assert look(Source(copy))[1] != before[1]
    xml = Source(copy, "pattern", "*.xml")
    assert xml.files() == ["MTD.xml"]


def test_a_file_counts_with_what_belongs_to_it(tmp_path: Path) -> None:
    shape = tmp_path / "clc[1].shp"
    for suffix in (".shp", ".dbf", ".shx", ".txt"):
        shape.with_suffix(suffix).write_text(suffix)
    assert Source(shape).files() == ["clc[1].dbf", "clc[1].shp", "clc[1].shx"]
    package = tmp_path / "clc.gpkg"
    with sqlite3.connect(package, isolation_level=None) as base:
        base.execute("pragma journal_mode=wal")
        base.execute("create table t (code)")
        base.execute("pragma wal_checkpoint(truncate)")
        before = look(Source(package))
        base.execute("insert into t values ('311')")
        assert Source(package).files() == ["clc.gpkg", "clc.gpkg-wal"]
        assert look(Source(package))[1] != before[1]
        written = look(Source(package))
        Path(f"{package}-wal").chmod(0o600)  # as SQLite does to it when root reads the file
        assert look(Source(package)) == written
    base.close()


def test_listed_images_count_and_others_beside_them_do_not(tmp_path: Path) -> None:
    table = tmp_path / "pairs.parquet"
    images = Source(tmp_path, "images", str(table))
    headers = replace(images, kind="headers")
    assert images.files() == [], "nothing is listed yet"
    pl.DataFrame({"folder": ["scene/patch"]}).write_parquet(table)
    folder = tmp_path / "scene/patch"
    folder.mkdir(parents=True)
    for band in ("VV", "VH"):
        (folder / f"patch_{band}.tif").write_bytes(bytes(2000))
    (tmp_path / "scene/other").mkdir()
    assert images.files() == ["scene/patch/patch_VH.tif", "scene/patch/patch_VV.tif"]
    before, head = look(images), look(headers)
    (folder / "patch_VV.tif").write_bytes(bytes(1999) + b"x")
    assert look(images)[1] != before[1]
    assert look(headers)[0] != head[0]
    assert look(headers)[1] == head[1], "only the pixels differ"
    (folder / "patch_VV.tif").unlink()
    assert look(headers)[1] != head[1]


def test_of_folders_only_the_names_count(tmp_path: Path) -> None:
    (tmp_path / "scene/patch").mkdir(parents=True)
    folders = Source(tmp_path, "folders")
    assert folders.files() == ["scene", "scene/patch"]
    before = look(folders)
    (tmp_path / "scene/patch/a.tif").touch()
    os.utime(tmp_path / "scene", OLD)
    assert look(folders) == before
    (tmp_path / "scene/later").mkdir()
    assert look(folders)[1] != before[1]


def test_links_count_and_what_tools_leave_does_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/B02.jp2").touch()
    product = tmp_path / "a.SAFE"
    product.mkdir()
    (product / "IMG_DATA").symlink_to(tmp_path / "elsewhere")
    for name in ("B02.jp2.aux.xml", ".snakemake_timestamp"):
        (product / name).touch()
    assert Source(product).files() == ["IMG_DATA/B02.jp2"]


def test_the_header_of_an_envi_image_belongs_to_it(tmp_path: Path) -> None:
    image = tmp_path / "Sigma0_VV.img"
    image.write_bytes(b"pixels")
    alone = Source(image)
    before = alone.digest(alone.files())
    image.with_suffix(".hdr").write_text("ENVI\n")
    assert alone.files() == ["Sigma0_VV.hdr", "Sigma0_VV.img"]
    assert alone.digest(alone.files()) != before
