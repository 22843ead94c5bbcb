"""Steps are named after their rules."""

import re
from pathlib import Path

import pytest

from reben.runtime.code_version import PACKAGE
from tests.rules import RuleFacts, load_rules

RULES = load_rules()


def module_of(step: str) -> Path:
    """The file that ``python -m reben.<step>`` runs."""
    path = PACKAGE.joinpath(*step.split("."))
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


def named_in(path: Path) -> list[str]:
    """The steps named in the first line of a module's docstring."""
    match = re.match(r'r?"""Steps? ([\w, ]+?):', path.read_text(encoding="utf-8"))
    return re.split(r", | and ", match[1]) if match else []


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_the_module_of_a_rule_names_it(rule: RuleFacts) -> None:
    assert rule.name in named_in(module_of(rule.step))


def test_every_step_that_a_docstring_names_is_a_rule() -> None:
    named = {name for path in PACKAGE.rglob("*.py") for name in named_in(path)}
    assert named == set(RULES)
