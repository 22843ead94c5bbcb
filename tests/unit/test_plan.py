"""What a build will take: by the figures of the rules, and not more than it does take."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from reben import plan
from reben.config.product_table import Product
from reben.config.user_file import DEFAULTS
from reben.memory.record import record_path
from reben.plan import shortage
from reben.results.needs import SEN2COR_MB, SEN2COR_MIN, STEP_MB, Machine, Needs, needs
from reben.synthetic import ProductSpec
from tests.rules import load_rules

NAMES = [f"S2A_MSIL1C_2017061{day}T101031_N0205_R022_T33UUP_20170613T101608" for day in range(5)]
HERE = Machine(cores=8, memory_mb=32_000, free=10**12, free_files=10**8)


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(DEFAULTS.read_text())
    return value | {"results": str(folder / "results")} | changes


def fetched(count: int) -> dict[str, Product]:
    rows = [Product(name, "L1C", "cdse", id="x", size="700000000") for name in NAMES[:count]]
    return {row.tile: row for row in rows}


def sizes(need: Needs) -> dict[str, tuple[int, int]]:
    return {stage.folder: (stage.size, stage.files) for stage in need.stages}


def test_a_full_tile_has_the_files_and_bytes_of_its_patches(tmp_path: Path) -> None:
    found = sizes(needs(config(tmp_path), fetched(1)))
    assert found["l1c"][0] == 700_000_000
    assert found["patches"][1] == 8281 * 13, "12 bands in a folder"
    assert found["reference_maps"][1] == 8281 * 2
    # 12 bands are 160,000 bytes, a reference map 28,800, each value in whole pages.
    assert 8281 * 188_800 < found["dataset"][0] < 8281 * 199_000
    assert found["encoded"][0] == found["dataset"][0]


def test_small_products_need_little_and_unknown_ones_are_not_held_against_a_build(
    tmp_path: Path,
) -> None:
    (whole,) = fetched(1).values()
    small, bare = replace(whole, size="4800000"), replace(whole, size="")
    for guess in (True, False):
        need = needs(config(tmp_path), {whole.tile: small}, guess=guess)
        assert need.fetched_bytes == 4_800_000
        found = sizes(need)
        assert found["l2a"][0] == 11_000_000
        assert found["patches"][1] == 83 * 13, "a hundredth of a tile"
    usual = needs(config(tmp_path), {whole.tile: whole})
    guessed = needs(config(tmp_path), {bare.tile: bare})
    assert sizes(guessed)["l2a"] == sizes(usual)["l2a"]
    assert guessed.fetched_bytes == 800_000_000
    unknown = needs(config(tmp_path), {bare.tile: bare}, guess=False)
    assert unknown.size < 1_000_000
    local = tmp_path / "product.zip"
    local.write_bytes(b"0" * 1000)
    here = replace(bare, source="local", path=str(local), id="")
    assert sizes(needs(config(tmp_path), {here.tile: here}))["l1c"][0] == 1000


def test_sen2cor_runs_as_often_as_cores_and_memory_allow(tmp_path: Path) -> None:
    need = needs(config(tmp_path), fetched(5))
    assert (need.fetched, need.fetched_bytes, need.corrected) == (5, 3_500_000_000, 5)
    assert need.at_once(HERE) == 4, "8 GB each"
    assert need.hours(HERE)[0] == pytest.approx(2 * SEN2COR_MIN / 60)
    assert need.at_once(replace(HERE, memory_mb=4000)) == 1


def test_memory_is_what_the_rules_request() -> None:
    others = {  # not of a plain build
        *("archive", "pack_archives", "catalogue", "report"),
        *("band_statistics", "train_model", "evaluate_model", "summarise_models"),
    }
    first = {
        name: value(None, attempt=1) if callable(value) else value
        for name, facts in load_rules().items()
        if name not in others and (value := facts.rule.resources["mem_mb"]._value)
    }
    assert first.pop("run_sen2cor") == SEN2COR_MB
    assert max(first.values()) == STEP_MB


def test_sentinel1_takes_place_twice_where_it_is_cut_from_scenes(tmp_path: Path) -> None:
    given = config(tmp_path)["sentinel1"]
    without, patches, scenes = (
        sizes(needs(config(tmp_path, sentinel1=given | change), fetched(1)))
        for change in ({}, {"root": "BigEarthNet-S1"}, {"scenes": "scenes.tsv"})
    )
    assert without["dataset"] < patches["dataset"] == scenes["dataset"]
    assert "sentinel1" not in patches
    assert scenes["sentinel1"][1] == 8281 * 3, "two bands in a folder"


def test_tars_make_few_files(tmp_path: Path) -> None:
    tar = config(tmp_path, patches={"side_m": 1200, "container": "tar"})
    found = sizes(needs(tar, fetched(2)))
    assert found["patches"][1] < 10
    assert found["patches"][0] > 2 * 8281 * 160_000


def test_tiles_that_are_encoded_take_nothing(tmp_path: Path) -> None:
    products = fetched(2)
    done = Path(record_path(tmp_path / "results", "encode_sentinel2", next(iter(products))))
    done.parent.mkdir(parents=True)
    done.touch()
    need = needs(config(tmp_path), products)
    assert (need.tiles, need.fetched) == (1, 1)


def test_a_product_that_is_used_in_place_has_the_size_of_its_own_tile(
    spec: ProductSpec, pristine_product: Path, tmp_path: Path
) -> None:
    row = Product(spec.name, "L2A", "local", path=str(pristine_product))
    need = needs(config(tmp_path), {row.tile: row})
    assert sizes(need)["patches"][1] == 3 * 3 * 13
    assert not {"l1c", "l2a"} & sizes(need).keys()


def test_a_damaged_product_is_left_to_its_step(tmp_path: Path) -> None:
    safe = tmp_path / "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000.SAFE"
    safe.mkdir()
    product = Product(safe.stem, "L2A", "local", path=str(safe))
    assert needs(config(tmp_path), {product.tile: product}).size < 1_000_000


@pytest.mark.parametrize("small", [{"free": 10**9}, {"free_files": 1000}])
def test_a_disk_that_is_too_small_is_an_error_that_says_what_to_do(
    small: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(plan.Machine, "of", lambda _: replace(HERE, **small))
    monkeypatch.chdir(tmp_path)
    Path("p.tsv").write_text(
        f"product\tlevel\tsource\tid\n{NAMES[0]}\tL1C\tcdse\t{'0' * 8}-"
        + "0000-4000-8000-000000000000\n"
    )
    Path("mine.yaml").write_text("products: p.tsv\n")
    with pytest.raises(
        SystemExit, match=r"the disk of results cannot hold .* found .* free in .*; free some"
    ):
        plan.main(["mine.yaml"])
    assert "sen2cor, 1 products, 1 at a time" in capsys.readouterr().out


def test_a_disk_without_a_table_of_files_has_no_limit(tmp_path: Path) -> None:
    assert needs(config(tmp_path), fetched(1)).fits(replace(HERE, free_files=None))
    here = Machine.of(tmp_path / "not/there/yet")
    assert here.cores >= 1
    assert here.free > 0


def test_only_jobs_that_are_due_count(tmp_path: Path) -> None:
    products = fetched(2)
    first, second = products
    given = config(tmp_path)
    due = {"make_patches": {first, second}, "encode_sentinel2": {second}, "label_patches": {first}}
    found = sizes(needs(given, products, lambda rule, tile: tile in due.get(rule, ())))
    assert found.keys() == {"patches", "encoded", "tables, logs, ..."}
    assert found["patches"][1] == 2 * 8281 * 13
    (tmp_path / "results/patches" / first).mkdir(parents=True)
    found = sizes(needs(given, products, lambda rule, tile: tile in due.get(rule, ())))
    assert found["patches"][1] == 8281 * 13, "what is replaced takes no more"


def test_an_lmdb_is_as_large_as_the_shards_that_are_there(tmp_path: Path) -> None:
    products = fetched(1)
    given = config(tmp_path)
    assert sizes(needs(given, products))["dataset"][0] > 10**9
    for kind in ("s2", "reference_maps"):
        shard = tmp_path / f"results/encoded/{kind}" / f"{next(iter(products))}.lmdb"
        shard.mkdir(parents=True)
        (shard / "data.mdb").write_bytes(b"x" * 5000)
    due = {"build_lmdb": {""}}
    need = needs(given, products, lambda rule, tile: tile in due.get(rule, ()))
    assert sizes(need) == {"dataset": (10_000, 20)}


def test_a_shortage_says_what_is_needed_and_what_is_there(tmp_path: Path) -> None:
    need = needs(config(tmp_path), fetched(1))
    assert shortage(need, HERE, "mine") is None
    text = str(shortage(need, replace(HERE, free=10**9), "mine"))
    assert text.startswith("the disk of mine cannot hold this build: expected room for up to ")
    assert "l1c 700.0 MB, " in text
    assert f"found 1.0 GB and 100,000,000 files free in {Path.cwd()}/mine; free some" in text
