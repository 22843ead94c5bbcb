"""The table of trained models: means, spreads and the paper's values; needs no PyTorch."""

import json
from pathlib import Path

import polars as pl
import pytest

from reben import table2
from reben.config.check import trained_modalities
from reben.results.trained import TrainedModel, group_runs
from reben.runtime.errors import ConfigError, TableError
from tests.builds import CLASSES

PAPER = Path(__file__).parents[2] / "resources" / "table2.csv"


def write_run(folder: Path, modality: str, seed: int, score: float, *, dataset: str = "d") -> Path:
    """The folder of a run of ResNet-50 all of whose metrics are `score`."""
    folder.mkdir(parents=True)
    same = dict.fromkeys(("average_precision", "f1", "precision"), score)
    files = {
        "run.json": {
            "recipe": {"model": "resnet50", "modality": modality, "seed": seed},
            "validation": {"macro_average_precision": score},
        },
        "metrics.json": {
            "patches": 50,
            "classes": 2,
            "classes_present": 1,
            "macro": same,
            "micro": same,
            "per_class": [
                {"class": CLASSES[0], "positives": 40, "average_precision": score},
                {"class": "<b>", "positives": 0, "average_precision": None},
            ],
            "dataset": {"metadata_sha256": dataset},
        },
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value))
    rows = "".join(f"{epoch},{score - 0.1 / epoch}\n" for epoch in (1, 2, 3))
    (folder / "history.csv").write_text("epoch,macro_average_precision\n" + rows)
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Outputs for three seeds of one modality and one of another."""
    runs = [
        write_run(tmp_path / f"s2-{i}", "s2", i, s) for i, s in ((9, 0.7), (0, 0.71), (4, 0.75))
    ]
    runs.append(write_run(tmp_path / "all-1", "all", 1, 0.6))
    outputs = {"--out": "table2.csv", "--out-classes": "c.csv", "--out-page": "table2.html"}
    words = [word for key, name in outputs.items() for word in (key, str(tmp_path / name))]
    table2.main(["--runs", *map(str, runs), "--paper", str(PAPER), "--name", "Tyrol", *words])
    return tmp_path


def test_a_row_has_mean_spread_and_the_difference_from_the_paper(made: Path) -> None:
    table = pl.read_csv(made / "table2.csv")
    assert len(table) == 2 * 6
    row = table.filter(modality="s2", metric="macro_f1").row(0, named=True)
    assert row == {
        "model": "resnet50",
        "modality": "s2",
        "metric": "macro_f1",
        "runs": 3,
        "mean": 72.0,
        "std": 2.6458,  # of 70, 71 and 75
        "paper": 64.67,
        "difference": 7.33,
    }
    alone = table.filter(modality="all", metric="micro_precision").row(0, named=True)
    assert (alone["runs"], alone["mean"], alone["std"]) == (1, 60.0, None)
    assert (alone["paper"], alone["difference"]) == (80.68, -20.68)


def test_classes_that_do_not_occur_have_no_score(made: Path) -> None:
    rows = pl.read_csv(made / "c.csv").filter(modality="s2").rows()
    assert rows == [
        ("resnet50", "s2", CLASSES[0], 40, 3, 72.0, 2.6458),
        ("resnet50", "s2", "<b>", 0, 3, None, None),
    ]


def test_the_page_shows_tables_and_curves_and_asks_for_nothing(made: Path) -> None:
    page = (made / "table2.html").read_text("utf-8")
    assert "Models trained on Tyrol" in page
    assert "72.00" in page
    assert "+7.33" in page
    assert "\N{MINUS SIGN}20.68" in page
    assert page.count('<polyline class="curve"') == 4
    assert "seed 9: 66.67% in epoch 3" in page
    assert "1 classes that occur (of 2)" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_papers_table_is_whole() -> None:
    paper = table2.read_paper(PAPER)
    assert len(paper) == 7 * 3 * 6
    assert paper["resnet50", "all", "macro_average_precision"] == 71.36
    assert paper["vit_base_patch8_224", "s1", "macro_f1"] == 39.78
    assert paper["mobilevit_s", "all", "macro_precision"] == 76.50
    assert paper["convnextv2_base", "all", "micro_precision"] == 78.65
    assert all(30 < value < 90 for value in paper.values())


def test_runs_on_different_datasets_or_twice_are_refused(tmp_path: Path) -> None:
    one = TrainedModel.read(write_run(tmp_path / "one", "s2", 1, 0.5))
    other = TrainedModel.read(write_run(tmp_path / "other", "s2", 2, 0.5, dataset="e"))
    with pytest.raises(TableError, match=r"one dataset, found several: .*one, .*other differ"):
        group_runs([one, other])
    with pytest.raises(TableError, match=r"different seeds, found \[1, 1\]"):
        group_runs([one, one])


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "history.csv"])
def test_a_run_that_lacks_a_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / "one", "s2", 1, 0.5)
    (folder / name).unlink()
    with pytest.raises(TableError, match=name):
        TrainedModel.read(folder)
    (folder / name).write_text("epoch,macro\n1,x\n" if name == "history.csv" else "{}")
    if name != "metrics.json":
        with pytest.raises(TableError, match="expected the files of a training"):
            TrainedModel.read(folder)


def a_config(**training: object) -> dict[str, object]:
    return {
        "training": {"dataset": None, "modalities": None, **training},
        "sentinel1": {"root": None},
        "lmdb": {"include": ["s2", "s1"]},
    }


def test_models_see_what_the_dataset_has() -> None:
    config = a_config()
    assert trained_modalities(config) == ["s2"]
    config["sentinel1"] = {"root": "BigEarthNet-S1"}
    assert trained_modalities(config) == ["s1", "s2", "all"]
    config["lmdb"] = {"include": ["s1"]}
    assert trained_modalities(config) == ["s1"]
    assert trained_modalities(a_config(dataset="published")) == ["s1", "s2", "all"]
    assert trained_modalities(a_config(modalities=["all"])) == ["all"]


def test_a_paper_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table2.csv"
    path.write_text("model,modality\nresnet50,s2\n")
    with pytest.raises(ConfigError, match="expected a CSV with the columns model, modality"):
        table2.read_paper(path)
