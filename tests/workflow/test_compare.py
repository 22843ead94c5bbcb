"""Two builds compared, a build compared with the published tables, and predicted changes."""

import json
import re
import shutil
from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import pyogrio.raw
import pytest
from safetensors.numpy import load, save

from reben import changes, compare
from reben.domain.tables import METADATA, SELECTION, read_table, write_table
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.errors import RebenError
from tests.workflow.builds import Project

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
CLEAR = "dataset/metadata.parquet"


def test_a_copy_is_equal(small_build: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small_build, tmp_path / "copy"))
    assert compare.compare(small_build, copy)["equal"]
    compare.main([str(small_build), str(copy)])


def test_rows_columns_and_arrays_that_differ_are_named(
    small_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(small_build, tmp_path / "copy"))
    frame = read_table(copy / CLEAR, METADATA)
    first, second = frame["patch_id"][:2]
    changed = frame[1:].with_columns(
        country=pl.when(pl.col("patch_id") == second).then(pl.lit("Utopia")).otherwise("country")
    )
    write_table(copy / CLEAR, changed, METADATA)
    store = str(copy / "dataset/BigEarthNet.lmdb")
    with lmdb.open(store, map_size=1 << 30, lock=False) as env, env.begin(write=True) as txn:
        patch = load(txn.get(second.encode()))
        patch["B01"] = patch["B01"].copy()
        patch["B01"][0, :2] += np.array([7, 3], np.uint16)
        txn.put(second.encode(), save(patch))
        txn.delete(first.encode())
    with pytest.raises(SystemExit) as stop:
        compare.main([str(small_build), str(copy), "--json", str(tmp_path / "diff.json")])
    assert stop.value.code == 1
    result = json.loads((tmp_path / "diff.json").read_text())
    assert result["tables"]["only_a"] == [first]
    country = frame["country"][1]
    assert result["tables"]["columns"]["country"] == [
        {"patch_id": second, "a": country, "b": "Utopia"}
    ]
    assert result["arrays"]["only_a"] == [first]
    assert result["arrays"]["differ"] == {second: {"B01": {"pixels": 2, "of": 400, "max": 7.0}}}
    said = capsys.readouterr().out
    assert f"{second}: country: A {country}, B Utopia" in said
    assert f"{second}: B01: 2 of 400 pixels, by up to 7" in said
    assert re.search(r"^patches only in A +1$", said, re.MULTILINE)
    assert re.search(r"^entries, of \d+ in both +1$", said, re.MULTILINE)


def test_nan_and_garbage_are_told_apart() -> None:
    nan, one = np.full((2, 2), np.nan, np.float32), np.ones((2, 2), np.float32)
    mixed = np.array([[np.nan, 1], [1, 1]], np.float32)
    result = compare.tensor_differences(
        save({"VH": nan, "VV": one}), save({"VH": nan, "VV": mixed})
    )
    assert result == {"VV": {"pixels": 1, "of": 4, "max": 0.0}}
    assert "unreadable" in compare.tensor_differences(b"garbage", save({"VV": one}))["value"]
    other = compare.tensor_differences(save({"VV": one}), save({"VV": one}, metadata={"a": "b"}))
    assert "bytes" in other["value"]


def test_the_scene_differs_from_the_published_only_in_moved_labels(
    scene_build: Path, reference: Path
) -> None:
    result = compare.compare(scene_build, reference / "published", restrict=True)
    said = "\n".join(compare.show(result))
    assert f"{TILE}_27_59: only in B" in said
    assert f"{TILE}_27_55: labels: only A Pastures; only B Inland waters, Mixed forest" in said
    assert "entries: not compared; one has no LMDB" in said
    assert not result["equal"]
    tables = result["tables"]
    # 27_59 is 35 % uncovered; the other moved patches have other labels; 26_57 is real.
    assert (tables["only_a"], tables["only_b"]) == ([], [f"{TILE}_27_59"])
    labels = tables["columns"].pop("labels")
    assert [row["patch_id"].removeprefix(f"{TILE}_") for row in labels] == [
        "27_55", "27_57", "33_69", "34_69", "34_71", "37_88", "37_90", "38_58", "38_88", "70_40"
    ]  # fmt: skip
    assert not any(tables["columns"].values()), "split, country, names and flags agree"


def test_changes_of_a_corine_release_before_building(
    scene_build: Path, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = reference / "scene"
    releases = [str(scene / f"U2018_CLC2018_V2020_20u1{end}.gpkg") for end in ("", "_later")]
    out = tmp_path / "changes.csv"
    changes.main([*releases, "--results", str(scene_build), "--out", str(out)])
    (row,) = pl.read_csv(out).rows(named=True)
    assert row["patch_id"] == f"{TILE}_70_40"
    assert (row["appear"], row["dataset"]) == ("Pastures", None)
    assert row["vanish"] == "Moors, heathland and sclerophyllous vegetation"
    text = capsys.readouterr().out
    assert text.startswith("Changed: 1 of 12 patches, in 1 of 1 tiles\nOther labels: 1; entering ")
    assert f"{TILE}         1  70_40\n" in text
    assert re.search(r"^Pastures +1 +0$", text, re.MULTILINE)
    changes.main([str(scene_build), releases[1]])
    assert capsys.readouterr().out == text, "the build itself is what the old release made"
    changes.main([str(scene_build), releases[0]])
    same = "Nothing changes: 12 patches have the same land cover and labels.\n"
    assert capsys.readouterr().out == same


def test_a_release_is_named_by_its_layer_and_column(
    small_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """National files hold several releases."""
    meta, _, shapes, (codes, *_) = pyogrio.raw.read(small_build.parent / "inputs/corine.gpkg")
    file = tmp_path / "clc.gpkg"
    for layer, values in {"clc18": codes, "clc24": np.full_like(codes, "231")}.items():
        columns = [f"code_{layer[3:]}", "code_00"]
        pyogrio.raw.write(
            file, shapes, [values, codes], columns, layer=layer, crs=meta["crs"],
            geometry_type=meta["geometry_type"], append=file.exists(),
        )  # fmt: skip
    old = ["--layer", "clc18", "--code-column", "code_18"]
    new = ["--layer", "clc24", "--code-column", "code_24"]
    changes.main([str(small_build), str(file), *old])
    same = "Nothing changes: 18 patches have the same land cover and labels.\n"
    assert capsys.readouterr().out == same
    changes.main([str(small_build), str(file), *new])
    changed = capsys.readouterr().out
    assert changed.startswith("Changed: 18 of 18 patches, in 2 of 2 tiles\n")
    changes.main([str(file), str(file), *old, *new, "--results", str(small_build)])
    assert capsys.readouterr().out == changed
    with pytest.raises(RebenError, match=r"clc\.gpkg: .*layer.*clc18"):
        changes.main([str(small_build), str(file), "--code-column", "code_18"])
    with pytest.raises(SystemExit):
        changes.main([str(small_build), str(file), *old, *new, "--layer", "clc12"])
    assert "at most twice, for OLD and NEW" in capsys.readouterr().err


def test_a_build_says_itself_how_it_was_labelled(
    small_project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = small_project.copy(tmp_path / "project")
    (build.root / "own.csv").write_text("code,class\n231,Pastures\n312,Forest\n")
    build.config["labels"] = {"nomenclature": "own.csv", "min_labelled_fraction": 0.1}
    build.config["labels"]["threshold"] = "exclusive"
    build.snakemake("results/dataset/metadata.parquet")
    release = str(build.root / "inputs/corine.gpkg")
    changes.main([str(build.results), release])
    same = "Nothing changes: 18 patches have the same land cover and labels.\n"
    assert capsys.readouterr().out == same
    rules = changes.LabelRules.of_build(build.results, threshold="inclusive")
    assert (rules.min_labelled_fraction, rules.threshold) == (0.1, "inclusive")
    with pytest.raises(RebenError, match="with a labelled fraction of 0.9 .exclusive"):
        changes.main([str(build.results), release, "--min-labelled-fraction", "0.9"])
    (build.root / "own.csv").write_text("code,class\n231,Grass\n312,Forest\n")
    with pytest.raises(
        RebenError, match="expected the file own.csv that its labels were made with"
    ):
        changes.main([str(build.results), release])


def test_patches_of_a_product_that_was_taken_out_are_not_compared(
    small_build: Path, tmp_path: Path
) -> None:
    """Its tables are left over."""
    copy = Path(shutil.copytree(small_build, tmp_path / "copy"))
    shutil.rmtree(copy / "dataset/BigEarthNet.lmdb")
    for table, schema in {"tables/selection.parquet": SELECTION, CLEAR: METADATA}.items():
        frame = read_table(copy / table, schema)
        kept = frame.filter(pl.col("patch_id").str.starts_with(TILE))
        assert 0 < len(kept) < len(frame), table
        write_table(copy / table, kept, schema)
    (copy / "dataset" / OBSCURED_TABLE).unlink()
    result = compare.compare(copy, small_build, restrict=True)
    assert result["equal"], result["tables"]["only_b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "{build}"], "nowhere: expected a results folder or a release of land cover"),
        (["{build}/tables", "{build}"], "{build}/tables: expected the results of a finished build"),
        (["{build}", "{inputs}/countries.gpkg"], "countries.gpkg: expected one code column, found"),
        (
            ["{build}", "{build}/dataset/funnel.csv"],
            "funnel.csv: expected a vector file",
        ),
        (
            ["{build}", "{inputs}/corine.gpkg", "--nomenclature", "{nomenclature}"],
            "{build}: its labels are not those of {nomenclature} with a labelled fraction of 0.75 "
            "(inclusive); pass --nomenclature",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(
    small_build: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(small_build.parent)
    places = {"build": small_build, "inputs": small_build.parent / "inputs"}
    places["nomenclature"] = Path("resources/nomenclature/bigearthnet_43.csv")
    with pytest.raises(RebenError, match=re.escape(message.format(**places))):
        changes.main([argument.format(**places) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{inputs}/corine.gpkg", "{inputs}/corine.gpkg"], "two releases need --results"),
        (["{inputs}/corine.gpkg", "{build}"], "swap them"),
    ],
)
def test_a_wrong_command_says_what_to_give(
    small_build: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"build": small_build, "inputs": small_build.parent / "inputs"}
    with pytest.raises(SystemExit):
        changes.main([argument.format(**places) for argument in arguments])
    assert message in capsys.readouterr().err


def test_changes_between_two_builds(small_build: Path, tmp_path: Path) -> None:
    new = Path(shutil.copytree(small_build / "tables", tmp_path / "new/tables")).parent
    labels = pl.read_parquet(new / f"tables/labels/{TILE}.parquet")
    selection = pl.read_parquet(new / "tables/selection.parquet")
    kept = selection.filter(pl.col("dropped_for").is_null())["patch_id"]
    gone, other = kept.filter(kept.str.starts_with(TILE))[:2]
    selection.with_columns(
        dropped_for=pl.when(pl.col("patch_id") == gone).then(pl.lit("x")).otherwise("dropped_for")
    ).write_parquet(new / "tables/selection.parquet")
    labels.with_columns(
        labels=pl.when(pl.col("patch_id") == other).then(["Pastures"]).otherwise("labels")
    ).write_parquet(new / f"tables/labels/{TILE}.parquet")
    found = changes.patch_changes(changes.State.of_build(small_build), changes.State.of_build(new))
    before = dict(labels.select("patch_id", "labels").rows())[other]
    assert found.select("patch_id", "dataset").rows() == [(gone, "leaves"), (other, None)]
    assert set(found["vanish"][1]) == set(before) - {"Pastures"}
