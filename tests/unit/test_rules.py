"""The rules as `snakemake --list` shows them."""

import re
from pathlib import Path

import pytest

RULES = re.findall(
    r"^(?:rule|checkpoint) (\w+):\n(.*)\n",
    "".join(
        path.read_text()
        for path in [Path("workflow/Snakefile"), *Path("workflow/rules").glob("*.smk")]
    ),
    re.MULTILINE,
)


@pytest.mark.parametrize(("rule", "first_line"), RULES)
def test_every_rule_says_in_one_line_what_it_does(rule, first_line):
    assert re.fullmatch(r'    """[A-Z].*[.]"""', first_line), rule
