"""The rules, as Snakemake reads them."""

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


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_asks_its_record_whether_it_is_due(rule: RuleFacts) -> None:
    assert "made" in rule.rule.input.keys()  # noqa: SIM118 - a Namedlist, not a dict
    assert rule.rule.output.record.endswith(".json")


def test_every_rule_behind_the_clip_asks_the_checkpoint() -> None:
    """Otherwise it would run after every clip, changed or not (see `after_clip`)."""

    def is_behind(name: str) -> bool:
        return any(b == "make_reference_maps" or is_behind(b) for b in RULES[name].made.after)

    behind = {name for name in RULES if is_behind(name)}
    assert {"label_patches", "build_lmdb", "report"} <= behind
    asks = {name for name, r in RULES.items() if "settled" in r.rule.input.keys()}  # noqa: SIM118
    assert behind - asks == set()
