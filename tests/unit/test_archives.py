"""Archives: the dataset's patches and no others, the same bytes every time."""

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import rasterio
import zstandard
from stac_geoparquet import arrow

from reben import encode
from reben.domain.bands import S1_BANDS, S2_BANDS
from reben.domain.names import PatchName, tile_of
from reben.pictures.patch_images import true_colour
from reben.publish import __main__ as publish
from reben.publish import archives
from reben.results.finished import read_build
from reben.runtime.errors import RasterError
from reben.storage.lmdb_store import read_lmdb
from reben.storage.patch_container import patch_writer
from reben.storage.patch_files import PatchReader
from tests.builds import NOMENCLATURE, TILES, write_build

TABLES = ["metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet"]
NAMES = ["BigEarthNet-S1.tar.zst", "BigEarthNet-S2.tar.zst", "Reference_Maps.tar.zst"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    return write_build(
        folder / "results", TILES[:2], rejected=(), count=5, pictures=True, sentinel1=folder / "s1"
    )


def archive(results: Path, out: Path, threads: int = 1) -> Path:
    dataset = results / "dataset"
    archives.main(
        ["--metadata", *map(str, sorted(dataset.glob("metadata*.parquet")))]
        + ["--s2", str(results / "patches")]
        + ["--reference-maps", str(results / "reference_maps")]
        + ["--s1", str(results.parent / "s1")]
        + ["--pairs", *map(str, (results / "tables" / "sentinel1").iterdir())]
        + ["--threads", str(threads), "--out", str(out)]
    )
    return out


def unpack(path: Path, folder: Path) -> list[tarfile.TarInfo]:
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        members = []
        for member in tar:
            tar.extract(member, folder, filter="data")
            members.append(member)
    return members


@pytest.fixture(scope="module")
def made(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(results, tmp_path_factory.mktemp("made") / "archives")


def test_the_bytes_depend_on_nothing_but_the_patches(
    results: Path, made: Path, tmp_path: Path
) -> None:
    for file in results.rglob("*.tif"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    again = archive(results, tmp_path / "again", threads=3)
    for name in (*NAMES, *TABLES, "SHA256SUMS"):
        assert (made / name).read_bytes() == (again / name).read_bytes(), name


def test_threads_do_not_show_in_many_blocks(tmp_path: Path) -> None:
    """Large enough for several compression jobs, unlike the small build."""
    root = tmp_path / "root"
    (root / "t" / "p_0_0").mkdir(parents=True)
    noise = hashlib.shake_256(b"pixels").digest(1 << 20) * 24
    (root / "t" / "p_0_0" / "p_0_0_B01.tif").write_bytes(noise)
    store = archives.PatchReader(root)
    digests = set()
    for threads in (0, 1, 2, 4):
        members = [(f"a/{i}.tif", store, "t/p_0_0", "B01") for i in range(3)]
        digests.add(archives.write_archive(tmp_path / "a.tar.zst", members, threads))
    assert len(digests) == 1


def test_checksums_are_those_of_the_files(made: Path) -> None:
    lines = (made / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [*NAMES, *TABLES]
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest


def test_they_hold_the_patches_of_the_metadata_and_unpack_for_the_encoder(
    results: Path, made: Path, tmp_path: Path
) -> None:
    metadata = read_build(results).metadata
    assert len(metadata) < read_build(results).patches.filter(pl.col("valid")).height
    for name in NAMES:
        for member in unpack(made / name, tmp_path):
            assert (member.uid, member.gid, member.uname, member.mtime) == (0, 0, "", 0)
            assert member.mode == 0o644
            assert member.isfile()
    patch = metadata["patch_id"][0]
    assert (tmp_path / "BigEarthNet-S2" / tile_of(patch) / patch / f"{patch}_B8A.tif").is_file()
    out = tmp_path / "x.lmdb"
    encode.main(
        ["--s2", str(tmp_path / "BigEarthNet-S2"), "--s1", str(tmp_path / "BigEarthNet-S1")]
        + ["--reference-maps", str(tmp_path / "Reference_Maps"), "--patch-side-m", "240"]
        + ["--out", str(out)]
    )
    with read_lmdb(out) as txn:
        keys = [bytes(key).decode() for key, _ in txn.cursor()]
    patches = metadata["patch_id"].to_list()
    maps = [f"{patch}_reference_map" for patch in patches]
    assert keys == sorted([*patches, *maps, *metadata["s1_name"]])
    original = results / "patches" / tile_of(patch) / patch / f"{patch}_B02.tif"
    copy = tmp_path / "BigEarthNet-S2" / tile_of(patch) / patch / f"{patch}_B02.tif"
    assert copy.read_bytes() == original.read_bytes()


def test_the_entries_of_the_archives_lead_to_what_they_hold(
    results: Path, made: Path, tmp_path: Path
) -> None:
    """Once unpacked beside the tables, every image of every item is where its item says."""
    copy = Path(shutil.copytree(results, tmp_path / "results"))
    folder = Path(shutil.copytree(made, copy / "archives"))
    publish.main(
        ["--results", str(copy), "--nomenclature", str(NOMENCLATURE), "--name", "Packed"]
        + ["--version", "1.0.0", "--licence", "MIT", "--out", str(folder)]
    )
    described = json.loads((folder / "croissant.json").read_text())["distribution"]
    assert {file["contentUrl"] for file in described} == {*NAMES, *TABLES}
    for file in described:
        assert (
            file["sha256"] == hashlib.sha256((folder / file["contentUrl"]).read_bytes()).hexdigest()
        )
    collection = json.loads((folder / "collection.json").read_text())["assets"]
    assert {collection[kind]["href"] for kind in ("s2", "s1", "reference_maps")} == set(NAMES)
    assert collection["s2"]["type"] == "application/zstd"
    for name in NAMES:
        unpack(folder / name, folder)
    items = list(arrow.stac_table_to_items(pq.read_table(folder / "items.parquet")))
    assert {item["id"] for item in items} == set(read_build(copy).metadata["patch_id"])
    for item in items[::7]:
        assert set(item["assets"]) == {*S2_BANDS, *S1_BANDS, "reference_map"}
        for asset in item["assets"].values():
            assert asset["type"] == "image/tiff; application=geotiff"
            with rasterio.open(folder / asset["href"]) as image:
                assert image.shape == tuple(asset["proj:shape"])
                assert image.transform[:6] == tuple(asset["proj:transform"])
                assert image.res == (asset["gsd"], asset["gsd"])


def test_patches_kept_in_tars_give_the_same_archives(
    results: Path, made: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(results, tmp_path / "results"))
    shutil.copytree(results.parent / "s1", tmp_path / "s1")
    for stage in ("patches", "reference_maps"):
        for tile in (copy / stage).iterdir():
            store = PatchReader(tile)
            rows: dict[int, list[str]] = {row: [] for row in range(5)}
            for patch in sorted(store.folders()):
                rows[PatchName.parse(patch).row].append(patch)
            tar = tmp_path / "tar"
            tar.mkdir()
            with patch_writer(tar, "tar") as writer:
                for row, patches in rows.items():
                    files = [(p, read_all(store, tile / p)) for p in patches]
                    writer.add_row(row, files)
            shutil.rmtree(tile)
            tar.rename(tile)
    again = archive(copy, tmp_path / "again")
    for name in NAMES:
        assert (made / name).read_bytes() == (again / name).read_bytes(), name
    patch = read_build(copy).metadata["patch_id"][0]
    folder = Path("patches") / tile_of(patch) / patch
    assert (true_colour(copy / folder) == true_colour(results / folder)).all()


def read_all(store: PatchReader, folder: Path) -> list[tuple[str, list[bytes]]]:
    layers = sorted(path.stem.removeprefix(f"{folder.name}_") for path in folder.iterdir())
    return [(layer, [store.read(folder.name, layer)]) for layer in layers]


def test_a_missing_file_is_named_and_nothing_is_left(results: Path, tmp_path: Path) -> None:
    patch = read_build(results).metadata["patch_id"][-1]
    file = results / "patches" / tile_of(patch) / patch / f"{patch}_B05.tif"
    data = file.read_bytes()
    file.unlink()
    try:
        with pytest.raises(RasterError, match=rf"B05 is missing; expected the file .*{patch}_B05"):
            archive(results, tmp_path / "archives")
    finally:
        file.write_bytes(data)
    assert list(tmp_path.rglob("*.*")) == []


def test_what_lies_beside_the_archives_stays(results: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "archives/BigEarthNet-S2/mine.txt"
    unpacked.parent.mkdir(parents=True)
    unpacked.write_text("mine")
    (tmp_path / "archives/SHA256SUMS").write_text("of an earlier run")
    made = archive(results, tmp_path / "archives")
    assert {path.name for path in made.iterdir()} == {
        *NAMES, *TABLES, "SHA256SUMS", "BigEarthNet-S2",
    }  # fmt: skip
    assert unpacked.read_text() == "mine"
