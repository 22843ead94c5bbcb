"""What makes a job run again: its record, in `.reben` of the results (`reben.memory`).

What the jobs of a rule are made from stands before it, in `made_from`; the rule itself has an
input `made=due(RULE)` and an output `record=record(RULE)`. When jobs are planned, `due`
compares the record with what is wanted now. It always returns the same file, which is newer
than any output if and only if the two differ; else it is `ancient`. So Snakemake's own times of
files decide, and neither its memory (`.snakemake`) nor its hooks are needed.

Inputs from outside the results are parameters, not inputs: their content decides, and is in the
record. As an input of Snakemake, one with a time in the future would condemn every output.
"""

import re
import time

from snakemake.exceptions import WorkflowError

from reben.config.check import absence, absent_inputs
from reben.config.product_table import write_products
from reben.memory.lock import lock, unlock
from reben.memory.ownership import take_possession
from reben.memory.plan import Made, Plan
from reben.memory.record import MEMORY, record_path
from reben.runtime.errors import ConfigError, RebenError

# Conda's libraries are not those of the wheels: PROJ differs, and with it some coordinates.
DEPLOYMENT = (
    workflow.deployment_settings.deployment_method
    if workflow.deployment_settings
    else []
)
PLAN = Plan(
    str(RESULTS.root), TILES, " ".join(sorted(str(method) for method in DEPLOYMENT))
)
_MARKER = f"{RESULTS.root}/{MEMORY}/.plan"
_begun = []

if "--unlock" in sys.argv and workflow.is_main_process:
    unlock(RESULTS.root)


def made_from(rule, **made):
    """State what the jobs of a rule are made from (`reben.memory.plan.Made`)."""
    PLAN.rules[rule] = Made(**made)


def record(rule):
    """The record of a rule's job, as an output."""
    return PLAN.record(rule, "{tile}")


def step(rule):
    """What follows `python -m` for a job: the step, what to record, its options."""
    return lambda wildcards: shlex.join(PLAN.arguments(rule, wildcards.get("tile", "")))


def due(rule):
    """The input that makes a job run if its record is not what is wanted."""

    def inputs(wildcards):
        if not workflow.is_main_process:
            return _MARKER  # a node runs what it was given
        tile = wildcards.get("tile", "")
        try:
            reason = PLAN.reason(rule, tile)
            if workflow.executor_plugin is None or workflow.dryrun:
                return _shown(reason)
            _begin()
            PLAN.age(rule, tile, reason is not None)
            return [_MARKER if reason else ancient(_MARKER)]
        except (RebenError, OSError) as error:
            raise WorkflowError(str(error)) from None

    return inputs


def _shown(reason):
    """The marker of a dry run, which writes nothing: named after the reason, as it is printed."""
    if reason is None:
        return [ancient(_MARKER)] if Path(_MARKER).exists() else []
    path = Path(workflow.snakemake_tmp_dir, re.sub(r"[^\w.]+", "_", reason)[:80])
    path.touch()
    return [str(path)]


def _begin():
    """Once, before the first job is planned in earnest: take the results for this build."""
    if _begun:
        return
    _begun.append(True)
    if ABSENT:  # before the first job, not after three days of sen2cor
        raise ConfigError(absence(ABSENT))
    if workflow.execution_settings.lock:
        lock(RESULTS.root)
    take_possession(RESULTS.root, STAGES)
    write_products(FROZEN_PRODUCTS, PRODUCTS.values())
    # Another content every time: Snakemake overlooks a newer file that is the same.
    Path(_MARKER).write_text(f"{time.time_ns()}\n")
