"""The rules, as Snakemake reads them."""

import itertools
import re

import pytest

from tests.rules import RuleFacts, load_rules

RULES = load_rules()


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_has_what_the_house_asks_for(rule: RuleFacts) -> None:
    assert re.fullmatch(r"[A-Z].*[.]", rule.doc), "a line that says what it does"
    assert rule.rule.log, "a log"
    assert {"mem_mb", "runtime"} <= set(rule.rule.resources), "what it needs"
    assert rule.environment != "None", "a conda environment"


def test_the_audit_asks_for_what_it_was_measured_to_take() -> None:
    """It maps the LMDB: 1,156 MB for a full-size tile."""
    assert RULES["audit"].rule.resources["mem_mb"].value >= 1200


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_asks_its_record_whether_it_is_due(rule: RuleFacts) -> None:
    assert "made" in rule.rule.input.keys()  # noqa: SIM118 - a Namedlist, not a dict
    assert rule.rule.output.record.endswith(".json")


def test_rules_that_make_the_same_outputs_know_of_each_other() -> None:
    """Otherwise the record of one says that it is done when the other has replaced its outputs."""

    def outputs(rule: RuleFacts) -> set[str]:
        # Without the constraints, which say which of the two a tile takes.
        return {re.sub(r"\{tile,.*\}", "{tile}", str(path)) for path in rule.rule.output}

    rivals = [
        (one.name, other.name)
        for one, other in itertools.permutations(RULES.values(), 2)
        if outputs(one) & outputs(other)
    ]
    assert {"pair_sentinel1", "run_sen2cor", "clip_corine"} <= {one for one, _ in rivals}
    declared = [(name, other) for name, r in RULES.items() for other in r.made.instead_of]
    assert sorted(rivals) == sorted(declared)


def test_every_rule_behind_the_clip_asks_the_checkpoint() -> None:
    """Otherwise it would run after every clip, changed or not (see `after_clip`)."""

    def is_behind(name: str) -> bool:
        return any(b == "make_reference_maps" or is_behind(b) for b in RULES[name].made.after)

    behind = {name for name in RULES if is_behind(name)}
    assert {"label_patches", "build_lmdb", "report"} <= behind
    asks = {name for name, r in RULES.items() if "settled" in r.rule.input.keys()}  # noqa: SIM118
    assert behind - asks == set()
