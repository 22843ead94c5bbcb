"""A small build: complete, repeatable, readable with standard tools, clear about errors."""

import json
import re
import subprocess
import sys

import lmdb
import numpy as np
import polars as pl
import pytest
import rasterio
import safetensors.numpy
import yaml

from reben.domain.bands import RESOLUTION_M
from reben.domain.names import tile_of
from tests.workflow.builds import PROJECT, TILES, Project

CLEAR = "dataset/metadata.parquet"
OBSCURED = "dataset/metadata_for_patches_with_snow_cloud_or_shadow.parquet"


def metadata(results):
    return pl.concat([pl.read_parquet(results / CLEAR), pl.read_parquet(results / OBSCURED)])


def attempt(build, *args, **config):
    """Run Snakemake with a changed config; returns the process, whether or not it succeeded."""
    merged = {**build.config}
    for key, value in config.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    (build.root / "build.yaml").write_text(yaml.safe_dump(merged))
    command = [sys.executable, "-m", "snakemake", "--configfile", "build.yaml", "--cores", "2"]
    return subprocess.run(
        [*command, *args], cwd=build.root, capture_output=True, text=True, check=False
    )


def test_a_second_run_has_nothing_to_do(small_project, tmp_path):
    copy = small_project.copy(tmp_path / "copy")
    done = copy.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr
    assert "kept, from 2 products" in done.stderr, "it ends with its summary all the same"
    assert done.stderr.rstrip().endswith(f"\nSee {copy.results}/dataset")
    for quiet in (["-n"], ["--quiet", "all"]):
        done = copy.snakemake(*quiet)
        assert "kept, from" not in done.stdout + done.stderr


@pytest.mark.parametrize("options", [["-n"], []])
def test_what_is_missing_is_said_once_and_last(small_project, tmp_path, options):
    copy = small_project.copy(tmp_path / "copy")
    (copy.root / "inputs/corine.gpkg").unlink()
    copy.config["results"] = "other"
    copy.config["countries"]["name_column"] = "land"
    done = attempt(copy, *options)
    text = done.stdout + done.stderr
    assert done.returncode == (0 if options else 1)
    last = done.stderr.rstrip().split("\n")[-3:]
    assert "these inputs do not exist" in last[0]
    assert last[1:] == [
        "  corine.path: inputs/corine.gpkg",
        "inputs/countries.gpkg: expected a column 'land' with country names, found ['name']; set "
        "countries.name_column",
    ]
    assert text.count("inputs/corine.gpkg") == 1 + text.count("--corine inputs/corine.gpkg")
    assert text.count("set countries.name_column") == 1


def test_the_lmdb_opens_with_plain_lmdb_and_safetensors(small_build):
    rows = metadata(small_build)
    assert len(rows) > 0
    with lmdb.open(str(small_build / "dataset/BigEarthNet.lmdb"), readonly=True, lock=False) as env:
        with env.begin() as txn:
            for row in rows.iter_rows(named=True):
                patch = safetensors.numpy.load(txn.get(row["patch_id"].encode()))
                assert {b: a.shape for b, a in patch.items()} == {
                    band: (1200 // res, 1200 // res) for band, res in RESOLUTION_M.items()
                }
                radar = safetensors.numpy.load(txn.get(row["s1_name"].encode()))
                assert {b: (a.shape, a.dtype.name) for b, a in radar.items()} == {
                    "VH": ((120, 120), "float32"),
                    "VV": ((120, 120), "float32"),
                }
                cover = safetensors.numpy.load(txn.get(f"{row['patch_id']}_reference_map".encode()))
                assert (cover["Data"].shape, cover["Data"].dtype.name) == ((120, 120), "uint16")
        assert env.stat()["entries"] == 3 * len(rows)


def test_the_lmdb_opens_as_configilm_opens_it(small_build):
    """ConfigILM's BENv2 reader: one environment, these flags, keys as bytes, tensors by band."""
    env = lmdb.open(
        str(small_build / "dataset/BigEarthNet.lmdb"),
        readonly=True,
        lock=False,
        meminit=False,
        readahead=True,
        map_size=8 * 1024**3,
        max_spare_txns=16,
    )
    patch = metadata(small_build)["patch_id"][0]
    with env.begin(write=False, buffers=True) as txn:
        tensors = safetensors.numpy.load(bytes(txn.get(str(patch).encode())))
    stacked = np.stack([tensors[band] for band in ("B02", "B03", "B04", "B08")])
    assert stacked.shape == (4, 120, 120)
    env.close()


def test_geotiffs_and_lmdb_agree(small_build):
    patch = metadata(small_build)["patch_id"][0]
    path = str(small_build / "dataset/BigEarthNet.lmdb")
    with lmdb.open(path, readonly=True, lock=False) as env, env.begin() as txn:
        tensors = safetensors.numpy.load(txn.get(patch.encode()))
    for band, pixels in tensors.items():
        with rasterio.open(
            small_build / f"patches/{tile_of(patch)}/{patch}/{patch}_{band}.tif"
        ) as dataset:
            np.testing.assert_array_equal(dataset.read(1), pixels)


def test_a_failed_build_ends_with_what_to_fix(small_project, tmp_path):
    copy = small_project.copy(tmp_path / "copy")
    image = sorted(
        (copy.root / "inputs").glob(f"{TILES[0]}*/GRANULE/*/IMG_DATA/R10m/*_B02_10m.jp2")
    )
    image[0].write_bytes(image[0].read_bytes()[:-500])
    done = attempt(copy, f"results/tables/patches/{TILES[0]}.parquet")
    assert done.returncode == 1
    *_, what, log, cause = done.stderr.rstrip().split("\n")
    assert what == "Fix the cause and run the same command again:"
    assert log == f"results/logs/make_patches/{TILES[0]}.log"
    assert cause.startswith("  error: ")
    assert "B02_10m.jp2" in cause


@pytest.fixture
def vast(tmp_path, monkeypatch):
    """A build of a product of a petabyte, with all that it needs but the room."""
    command = tmp_path / "L2A_Process"
    command.write_text("#!/bin/sh\necho 'Processor (Sen2Cor). Version: 2.11.0'\n")
    command.chmod(0o755)
    monkeypatch.setenv("CDSE_USERNAME", "me")
    monkeypatch.setenv("CDSE_PASSWORD", "x")
    build = Project.new(tmp_path / "project", {"sen2cor": {"command": str(command)}})
    name = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"
    row = f"{name}\tL1C\tcdse\t00000000-0000-4000-8000-000000000000\t{10**15}\n"
    (build.root / "products.tsv").write_text(f"product\tlevel\tsource\tid\tsize\n{row}")
    build.config |= {"products": "products.tsv"}
    return build


TOO_SMALL = "the disk of results cannot hold this build: expected room for up to 1000.0 TB"


def test_a_disk_that_is_too_small_stops_a_build_before_its_first_job(vast):
    target = "results/l2a/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP.SAFE"
    dry = attempt(vast, "-n", target)
    assert dry.returncode == 0
    assert TOO_SMALL in dry.stderr.rstrip().split("\n")[-1]
    done = attempt(vast, target)
    assert done.returncode == 1
    assert done.stderr.rstrip().split("\n")[-1].startswith(f"error: {TOO_SMALL}")
    assert not (vast.results / "logs").exists()
    checked = attempt(vast, "results/sen2cor/version.json")
    assert checked.returncode == 0, "what is small is made all the same"


def test_the_check_of_the_disk_can_be_left_out(vast, monkeypatch):
    monkeypatch.setenv("REBEN_DISK_CHECK", "off")
    target = "results/l2a/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP.SAFE"
    assert "cannot hold" not in attempt(vast, "-n", target).stderr


@pytest.fixture(scope="module")
def with_train_split(small_project, tmp_path_factory):
    """The results of a build whose outer patches are for training; they are for validation else."""
    torch = pytest.importorskip("torch", reason="PyTorch is missing: make install-training")
    torch.set_num_threads(1)  # more wait for each other on busy cores
    build = small_project.copy(tmp_path_factory.mktemp("train") / "project")
    build.config["split"] = {"p": 0.1, "q": 0.1}
    build.snakemake()
    return build.results


@pytest.fixture
def as_demo(with_train_split, tmp_path, monkeypatch):
    """Where the build is found as that of `make demo`."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "results").symlink_to(with_train_split)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("as_demo")
def test_the_notebook_trains_on_a_build():
    cells = json.loads((PROJECT / "docs/training.ipynb").read_text())["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["losses"][-1] < names["losses"][0]


@pytest.mark.usefixtures("as_demo")
def test_the_readme_trains_on_a_build():
    (lines,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.S)
        if "BatchLoader" in block
    )
    names = {}
    exec(lines, names)
    assert 0 < names["loss"].item() < 10


def test_everything_optional_can_be_left_out(small_project, tmp_path):
    """Only split and labels remain to be done; the imagery is not read again."""
    build = small_project.copy(tmp_path / "copy")
    for key in ("countries", "sentinel1"):
        build.config.pop(key)
    build.config["lmdb"] = {"include": ["s2"]}
    jobs = build.jobs()
    assert not {"make_patches", "make_reference_maps", "encode_sentinel2"} & set(jobs)
    rows = metadata(build.results)
    for column in ("country", "s1_name", "s2v1_name"):
        assert rows[column].null_count() == len(rows)
    with lmdb.open(
        str(build.results / "dataset/BigEarthNet.lmdb"), readonly=True, lock=False
    ) as env:
        assert env.stat()["entries"] == len(rows)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"patches": {"side": 1200}}, "side"),
        ({"split": {"p": 0.5, "q": 0.5}}, "split.p is 0.5 and split.q is 0.5; expected"),
        ({"corine": {"path": "nowhere.gpkg"}}, "corine.path: nowhere.gpkg"),
    ],
)
def test_a_bad_config_stops_before_the_first_job(small_project, tmp_path, config, message):
    done = attempt(small_project.copy(tmp_path / "copy"), **config)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert message in output
    assert "rule make" not in output


def test_a_rejected_product_stays_in_the_accounts(small_project, tmp_path):
    """The second tile fails a check that is now required: no patches, a row in the tables."""
    build = small_project.copy(tmp_path / "copy")
    build.config["quality"] = {"required": ["FORMAT_CORRECTNESS"]}
    build.snakemake()
    rejected = TILES[1]
    assert list((build.results / "patches" / rejected).glob("S2*")) == []
    assert not metadata(build.results)["patch_id"].str.contains(rejected).any()
    funnel = pl.read_csv(build.results / "dataset/funnel.csv").filter(pl.col("tile") == rejected)
    assert funnel["patches"][0] == funnel["rejected product"][0] == 9
    quality = pl.read_csv(build.results / "dataset/quality.csv").filter(pl.col("tile") == rejected)
    assert quality["reasons"][0] == "FORMAT_CORRECTNESS=FAILED"


def test_a_broken_tile_stops_itself_only_and_says_why(small_project, tmp_path):
    build = small_project.copy(tmp_path / "copy")
    band = next(build.root.glob(f"inputs/{TILES[0]}*/GRANULE/*/IMG_DATA/R10m/*_B08_10m.jp2"))
    whole = band.read_bytes()
    band.write_bytes(whole[: len(whole) // 3])
    done = attempt(build, "--keep-going", "--forcerun", "make_patches", "--show-failed-logs")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"error: inputs/{band.relative_to(build.root / 'inputs')}" in output
    assert not (build.results / f"patches/{TILES[0]}").exists()
    assert (build.results / f"encoded/s2/{TILES[1]}.lmdb").exists(), "the other tile went on"
    band.write_bytes(whole)
    build.snakemake()
    assert metadata(build.results).equals(metadata(small_project.results))
