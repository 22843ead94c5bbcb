"""The rules of the workflow as Snakemake reads them, for tests of their properties."""

import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, ResourceSettings

ROOT = Path(__file__).parents[1]


class RuleFacts(NamedTuple):
    """A rule: its name, docstring, step, environment, and what it says it is made from."""

    name: str
    doc: str
    step: str
    environment: str
    made: Any
    rule: Any


@cache
def load_rules(config: str = ".test/config/config.yaml") -> dict[str, RuleFacts]:
    """All rules with a job, by name."""
    with patch.dict(os.environ), SnakemakeApi() as api:  # the workflow sets variables for its steps
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[ROOT / config]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )._workflow  # the API does not expose rules
        plan = workflow.globals["PLAN"]
        return {
            rule.name: RuleFacts(
                rule.name,
                rule.docstring or "",
                plan.rules[rule.name].step,
                Path(str(rule.conda_env)).stem,
                plan.rules[rule.name],
                rule,
            )
            for rule in workflow.rules
            if rule.name != "all"
        }
