"""A tile of more than 100 columns, whose patches have names of several lengths.

Built once, as small as possible: patches of 60 m, and a product that is nodata except for the
columns on both sides of the 100th. Every step and tool that reads names is tested with them.
"""

import tarfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import zstandard

from reben import changes, compare, show
from reben.dataset import BigEarthNet
from reben.domain.bands import S2_BANDS
from reben.domain.name_columns import tile_of_patch
from reben.domain.names import PatchName, Sentinel1Name, patch_id
from reben.domain.tables import METADATA, PATCHES, read_table
from reben.storage.lmdb_store import read_lmdb
from reben.synthetic import write_corine, write_countries, write_product, write_sentinel1
from reben.verify.audited_build import AuditedBuild
from reben.verify.checks import verify
from tests.workflow.builds import SPECS, Project

COUNT = 102
SPEC = replace(SPECS[0], side_m=60 * COUNT, nodata_wedge=0.97, cloud_fraction=0.02)
TILE = SPEC.product.tile


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished build of one tile of 102 x 102 patches. Read only."""
    root = tmp_path_factory.mktemp("wide") / "project"
    build = Project.new(
        root,
        {
            "products": "products.tsv",
            "patches": {"side_m": 60},
            "corine": {"path": "inputs/corine.gpkg"},
            "countries": {"path": "inputs/countries.gpkg", "name_column": "name"},
            "sentinel1": {"root": "inputs/BigEarthNet-S1"},
            "labels": {"min_labelled_fraction": 0.1},
        },
    )
    inputs = root / "inputs"
    safe = write_product(inputs, SPEC, 0.1)
    build.write_products({SPEC.name: f"inputs/{safe.name}"})
    places = [(col, row) for col in range(97, COUNT) for row in range(COUNT)]
    scenes = inputs / "BigEarthNet-S1"
    write_sentinel1(scenes, SPEC, places, ["20170613T165043"], patch_side_m=60)
    write_corine(inputs / "corine.gpkg", [SPEC])
    write_countries(inputs / "countries.gpkg", [SPEC])
    build.snakemake("all", "audit", "report", "archive", "catalogue", "draw_overview")
    return build


@pytest.fixture(scope="module")
def kept(wide: Project) -> pl.DataFrame:
    """The metadata, both tables."""
    names = ("metadata", "metadata_for_patches_with_snow_cloud_or_shadow")
    tables = [wide.results / f"dataset/{name}.parquet" for name in names]
    return pl.concat(read_table(table, METADATA) for table in tables)


def test_the_dataset_has_names_of_several_lengths(wide: Project, kept: pl.DataFrame) -> None:
    patches = read_table(wide.results / f"tables/patches/{TILE}.parquet", PATCHES)
    assert len(patches) == COUNT**2
    names = [PatchName.parse(name) for name in kept["patch_id"]]
    assert {(name.col > 99, name.row > 99) for name in names} == {
        (wide_col, long_row) for wide_col in (False, True) for long_row in (False, True)
    }
    assert kept.select(tile_of_patch()).to_series().unique().to_list() == [TILE]
    for name, s1_name in zip(names, kept["s1_name"], strict=True):
        assert Sentinel1Name.parse(s1_name).col == name.col
    counts = pl.read_csv(wide.results / "dataset/funnel.csv").filter(tile=TILE)
    assert counts["kept"].item() == len(kept)
    clear = read_table(wide.results / "dataset/metadata.parquet", METADATA)
    assert counts["clear"].item() == len(clear), "the funnel reads tiles off names"


def test_the_lmdb_holds_every_patch_under_its_name(wide: Project, kept: pl.DataFrame) -> None:
    with read_lmdb(wide.results / "dataset/BigEarthNet.lmdb") as txn:
        keys = {bytes(key).decode() for key in txn.cursor().iternext(values=False)}
    patches = set(kept["patch_id"])
    maps = {f"{patch}_reference_map" for patch in patches}
    assert keys == patches | maps | set(kept["s1_name"])
    dataset = BigEarthNet(
        wide.results / "dataset/metadata.parquet",
        wide.results / "dataset/BigEarthNet.lmdb",
        modality="both",
        reference_maps=True,
        size_px=6,
        include_snow_cloud=True,
    )
    for index, patch in enumerate(dataset):
        assert patch["patch_id"] == dataset.metadata["patch_id"][index]
        assert patch["reference_map"].shape == (6, 6)


@pytest.mark.parametrize("sample", [None, 50])
def test_verify_finds_nothing(
    wide: Project, sample: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(wide.root)
    assert [str(finding) for finding in verify(AuditedBuild.open(wide.results, sample))] == []


def test_verify_names_the_file_that_was_changed(
    wide: Project, kept: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(wide.root)
    build = wide.copy(tmp_path / "project")
    patch = patch_id(TILE, 100, 100)
    assert patch in kept["patch_id"]
    file = build.results / f"patches/{TILE}/{patch}/{patch}_B8A.tif"
    file.write_bytes(file.read_bytes()[:-2] + b"\1\1")
    found = [str(finding) for finding in verify(AuditedBuild.open(build.results))]
    assert any(line.startswith(f"{file}: sha256: expected") for line in found)
    assert all(patch in line for line in found)


def test_the_tools_name_patches_in_full(
    wide: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = wide.results
    other = wide.copy(tmp_path / "project").results
    table = next(other.glob("tables/code_counts/*.parquet"))
    frame = pl.read_parquet(table)
    patches = [patch_id(TILE, 99, 99), patch_id(TILE, 100, 7), patch_id(TILE, 100, 100)]
    changed = pl.col("patch_id").is_in(patches)
    write = frame.with_columns(pl.when(changed).then(1).otherwise("pixels").alias("pixels"))
    write.cast(dict(frame.schema)).write_parquet(table)
    changes.main([str(results), str(other)])
    said = capsys.readouterr().out
    assert "in 1 of 1 tiles" in said
    assert f"{TILE:<46}{3:>8}  100_07 100_100 99_99" in said
    assert compare.compare(results, other)["equal"], "code counts are not part of the dataset"
    show.main([patches[2], "--results", str(results), "--out", str(tmp_path / "patch.png")])
    assert patches[2] in capsys.readouterr().out
    assert (tmp_path / "patch.png").stat().st_size


def test_archives_hold_the_files_of_every_patch(wide: Project, kept: pl.DataFrame) -> None:
    archive = wide.results / "archives/BigEarthNet-S2.tar.zst"
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        names = {member.name for member in tar}
    folder = f"BigEarthNet-S2/{TILE}"
    patches = kept["patch_id"]
    assert names == {f"{folder}/{p}/{p}_{band}.tif" for p in patches for band in S2_BANDS}


def test_pages_and_catalogue_cover_the_tile(wide: Project, kept: pl.DataFrame) -> None:
    assert (wide.results / f"report/{TILE}.html").is_file()
    page = (wide.results / "report/index.html").read_text(encoding="utf-8")
    assert "33UUP 9" in page or "33UUP 10" in page
    items = pl.read_parquet(wide.results / "dataset/items.parquet", columns=["id"])
    assert set(items["id"]) == set(kept["patch_id"])
    card = (wide.results / "dataset/README.md").read_text(encoding="utf-8")
    assert f"{len(kept):,}" in card
