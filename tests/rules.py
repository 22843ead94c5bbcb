"""The rules of the workflow as Snakemake reads them, for tests of their properties."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, ResourceSettings

ROOT = Path(__file__).parents[1]
#: Rules without a job, which ask for the outputs of others.
TARGETS = ("all", "table2")


class RuleFacts(NamedTuple):
    """A rule: its name, docstring, step, environment, and what it says it is made from."""

    name: str
    doc: str
    step: str
    environment: str
    made: Any
    rule: Any


@contextmanager
def read_workflow(config: Path, **sections: Any) -> Iterator[Any]:
    """The workflow as Snakemake reads it with a config; the process keeps its environment."""
    with patch.dict(os.environ), SnakemakeApi() as api:
        yield api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=sections, configfiles=[config]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )._workflow  # the API shows no rules


#: Land cover comes either from polygons, as in the config of all rules, or from a raster map.
_RASTER_MAP = {
    "corine": {"path": "resources/corine/U2018_CLC2018_V2020_20u1.gpkg"},
    "land_cover": {"files": "inputs/*.tif", "legend": "resources/legends/esa_worldcover.csv"},
}


@cache
def load_rules() -> dict[str, RuleFacts]:
    """All rules with a job, by name."""
    found = {}
    for sections in ({}, _RASTER_MAP):
        with read_workflow(ROOT / ".test/config/config.yaml", **sections) as workflow:
            plan = workflow.globals["PLAN"]
            for rule in workflow.rules:
                if rule.name not in TARGETS:
                    found[rule.name] = RuleFacts(
                        rule.name,
                        rule.docstring or "",
                        plan.rules[rule.name].step,
                        str(rule.conda_env).rpartition("envs/")[2].removesuffix(".yaml"),
                        plan.rules[rule.name],
                        rule,
                    )
    return found
