"""What a build remembers: records of jobs, and what is due."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reben.memory import recording
from reben.memory.plan import Made, Plan
from reben.memory.record import Record, record_path
from reben.memory.sources import Source
from reben.runtime import cli
from reben.runtime.errors import InputChangedError
from reben.runtime.files import sha256_file

OLD = (1_000_000_000, 1_000_000_000)


# Recording.


def run_step(record: Path, *options: str, step: object = None) -> None:
    with recording.recorded(["--record", str(record), *options, "--mine", "x"]) as rest:
        assert rest == ["--mine", "x"]
        if callable(step):
            step()


def test_a_step_leaves_a_record_of_what_it_read(tmp_path: Path) -> None:
    source, record = tmp_path / "a.csv", tmp_path / ".a.json"
    source.write_text("x")
    words = ["--record-settings", '{"p": 0.25}', "--record-source", "a", "all", str(source), ""]
    run_step(record, *words, step=lambda: recording.note("verdict", ["FAILED"]))
    found = Record.read(record)
    assert found is not None
    assert (found.settings, found.found) == ({"p": 0.25}, {"verdict": ["FAILED"]})
    assert found.sources["a"]["sha256"] == sha256_file(source)
    later = tmp_path / ".b.json"
    run_step(later, "--record-after", str(record))
    assert Record.read(later) != found


def test_an_input_that_changes_while_it_is_read_is_an_error_with_its_name(tmp_path: Path) -> None:
    source, record = tmp_path / "a.gpkg", tmp_path / ".a.json"
    source.write_text("x")
    words = ["--record-source", "corine.path", "all", str(source), ""]
    with pytest.raises(InputChangedError, match=r"a\.gpkg: changed while it was read \(corine"):
        run_step(record, *words, step=lambda: source.write_text("y"))
    assert not record.exists()


def test_a_step_that_fails_leaves_no_record_and_not_the_old_one(tmp_path: Path) -> None:
    record = tmp_path / ".a.json"
    run_step(record)
    assert Record.read(record) == Record({})

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_step(record, step=fail)
    assert Record.read(record) is None


def test_a_job_takes_the_record_of_the_one_whose_outputs_it_replaces(plan: Plan) -> None:
    """Otherwise that one would be done, with outputs that are no longer its own."""
    plan.rules["fetch"] = replace(plan.rules["cut"], options={}, instead_of=["cut"])
    plan.rules["cut"] = replace(plan.rules["cut"], instead_of=["fetch"])
    finish(plan, "fetch")
    assert reasons(plan)["fetch"] == [None, None]
    assert reasons(plan)["cut"] == ["not made yet", "not made yet"]
    finish(plan, "cut")
    assert reasons(plan)["cut"] == [None, None]
    assert reasons(plan)["fetch"] == ["not made yet", "not made yet"]


def test_without_record_a_step_has_its_arguments_as_they_are() -> None:
    with recording.recorded(["--out", "--record-less"]) as rest:
        assert rest == ["--out", "--record-less"]


def test_every_step_takes_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    cli.run(lambda argv: seen.append(argv), ["--record", str(tmp_path / ".r.json"), "--out", "x"])
    assert seen == [["--out", "x"]]
    assert Record.read(tmp_path / ".r.json") == Record({})


# Plans.


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two tiles, cut from a product each, labelled by a CSV, counted together; all done."""
    plan = new_plan(tmp_path / "results", tmp_path)
    for tile in plan.tiles:
        (tmp_path / f"{tile}.SAFE").mkdir()
        (tmp_path / f"{tile}.SAFE/B02.jp2").write_text(tile)
    (tmp_path / "classes.csv").write_text("code,class\n")
    for rule in ("cut", "label", "count"):
        finish(plan, rule)
    return plan


def new_plan(results: Path, inputs: Path, **options: object) -> Plan:
    plan = Plan(str(results), ["T1", "T2"])
    plan.rules["cut"] = Made(
        step="patches",
        environment=None,
        coded=False,
        options={"side_m": 1200, **options},
        sources=lambda tile: {"product": Source(inputs / f"{tile}.SAFE")},
    )
    plan.rules["label"] = Made(
        step="labels",
        environment=None,
        coded=False,
        sources=lambda _: {"labels.nomenclature": Source(inputs / "classes.csv")},
        after=["cut"],
    )
    plan.rules["count"] = Made(
        step="funnel", environment=None, coded=False, per_tile=False, after=["label"]
    )
    return plan


def finish(plan: Plan, rule: str) -> None:
    """Run the jobs of a rule, as far as the memory can tell."""
    for tile in plan.names(rule):
        words = [w.replace("/.*.json", "/.*.json") for w in plan.arguments(rule, tile)]
        with recording.recorded(words[1:]):
            pass


def reasons(plan: Plan) -> dict[str, list[str | None]]:
    return {rule: [plan.reason(rule, tile) for tile in plan.names(rule)] for rule in plan.rules}


DONE = {"cut": [None, None], "label": [None, None], "count": [None]}


def test_what_is_done_is_not_due(plan: Plan) -> None:
    assert reasons(plan) == DONE


def test_nothing_is_made_in_an_empty_folder(tmp_path: Path) -> None:
    assert new_plan(tmp_path / "r", tmp_path).reason("cut", "T1") == "not made yet"


def test_another_setting_makes_its_rule_due_and_back_again_not(plan: Plan, tmp_path: Path) -> None:
    other = new_plan(Path(plan.results), tmp_path, side_m=600)
    assert reasons(other) == {**DONE, "cut": ["other side_m"] * 2}
    assert reasons(new_plan(Path(plan.results), tmp_path)) == DONE


def test_a_new_kind_of_setting_is_another(plan: Plan, tmp_path: Path) -> None:
    assert new_plan(Path(plan.results), tmp_path, more=1).reason("cut", "T1") == "other more"


def test_the_memory_moves_with_the_results(plan: Plan, tmp_path: Path) -> None:
    Path(plan.results).rename(tmp_path / "moved")
    for path in (tmp_path / "moved").rglob("*"):
        os.utime(path, OLD)
    assert reasons(new_plan(tmp_path / "moved", tmp_path)) == DONE


def test_another_content_makes_only_its_tile_due(plan: Plan, tmp_path: Path) -> None:
    image = tmp_path / "T2.SAFE/B02.jp2"
    image.write_text("T3")
    os.utime(image, OLD)
    assert reasons(plan) == {**DONE, "cut": [None, "another product"]}
    finish(plan, "cut")
    assert reasons(plan) == {**DONE, "label": [None, "other jobs of cut"]}
    finish(plan, "label")
    assert plan.reason("count") == "other jobs of label"


def test_a_touched_input_is_looked_at_once(plan: Plan, tmp_path: Path, monkeypatch) -> None:
    os.utime(tmp_path / "classes.csv", OLD)
    record = Path(plan.record("label", "T1"))
    os.utime(record, OLD)
    text = record.read_text()
    assert reasons(plan) == DONE
    assert record.read_text() == text, "a plan that does not own the results writes nothing"
    plan.owns_results = True
    assert reasons(plan) == DONE
    assert record.read_text() != text
    assert record.stat().st_mtime == OLD[0], "the record is an output, and no newer than it was"
    monkeypatch.setattr(Source, "digest", lambda *_: pytest.fail("read again"))
    assert reasons(plan) == DONE


def test_a_missing_input_is_missed_only_where_it_is_new(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").unlink()
    shutil.rmtree(tmp_path / "T1.SAFE")
    assert reasons(plan) == DONE
    elsewhere = new_plan(Path(plan.results), tmp_path / "new")
    assert elsewhere.reason("label", "T1") == "another labels.nomenclature"


def test_a_tile_more_or_less_is_another_count(plan: Plan) -> None:
    plan.tiles[:] = ["T1"]
    assert reasons(plan) == {"cut": [None], "label": [None], "count": ["other jobs of label"]}


def test_a_damaged_or_deleted_record_is_none(plan: Plan) -> None:
    Path(plan.record("cut", "T1")).write_text("{")
    Path(plan.record("label", "T2")).unlink()
    assert plan.reason("cut", "T1") == plan.reason("label", "T2") == "not made yet"
    assert plan.reason("label", "T1") == "other jobs of cut"


def test_a_changed_finding_is_a_reason(plan: Plan) -> None:
    plan.rules["cut"] = replace(
        plan.rules["cut"], found=lambda tile, found: {"verdict": ["FAILED"]}
    )
    assert plan.reason("cut", "T1") == "other verdict"


def test_records_of_the_same_content_are_the_same_wherever_inputs_lie(tmp_path: Path) -> None:
    record = Record({"p": 1}, {}, {"a": {"path": "x", "sha256": "1", "stamp": "2"}})
    moved = Record({"p": 1}, {}, {"a": {"path": "y", "sha256": "1", "stamp": "3"}})
    assert record.digest == moved.digest
    assert record.digest != Record({"p": 2}, {}, record.sources).digest
    assert record_path("r", "cut", "T1") == "r/.reben/cut/.T1.json"


def test_records_are_plain_json(plan: Plan) -> None:
    text = Path(plan.record("label", "T1")).read_text()
    assert list(json.loads(text)) == ["after", "found", "settings", "sources"]


def test_a_job_that_is_due_looks_older_than_any_clock_and_again_young(plan: Plan) -> None:
    record = Path(plan.record("cut", "T1"))
    plan.age("cut", "T1", True)
    assert record.stat().st_mtime == 1
    assert plan.reason("cut", "T1") is None, "its content is as it was"
    plan.age("cut", "T1", False)
    assert record.stat().st_mtime > 1e9
    record.unlink()
    plan.age("cut", "T1", True)
    assert not record.exists(), "a file would be incomplete to Snakemake after a kill"
    assert plan.reason("cut", "T1") == "not made yet"


def test_an_input_that_cannot_be_read_is_a_reason_not_an_error(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake drops jobs whose input functions fail where their outputs are there."""
    (tmp_path / "classes.csv").write_text("other")

    def fail(*_: object) -> str:
        raise OSError("input/output error")

    monkeypatch.setattr(Source, "digest", fail)
    assert plan.reason("label", "T1") == "labels.nomenclature cannot be read: input/output error"


def test_another_deployment_makes_again_what_has_an_environment(tmp_path: Path) -> None:
    made = Made(step="labels", environment="tables")
    here, conda = made.wanted("T1"), made.wanted("T1", "conda")
    assert conda.pop("deployment").startswith("conda ")
    assert here == conda
    assert "deployment" not in Made(step="acquire", environment=None).wanted("T1", "conda")
