"""What makes a job run again: its record, in `.reben` of the results (`reben.memory`).

Every rule states, with `made_from`, what its jobs are made from, and has two more items: the
input `made=due(RULE)` and the output `record=record(RULE)`. When jobs are planned, `due`
compares the record with what is wanted now. It always returns the same file, which is newer
than any output if and only if the two differ; else it is `ancient`. So Snakemake's own times of
files decide, and neither its memory (`.snakemake`) nor its hooks are needed.

Inputs from outside the results are parameters, not inputs: their content decides, and is in the
record. As an input of Snakemake, one with a time in the future would condemn every output.
"""

import re
import time

from snakemake.exceptions import WorkflowError

from reben.config.product_table import write_products
from reben.memory.lock import lock, unlock
from reben.memory.ownership import take_possession
from reben.memory.plan import Made, Plan
from reben.memory.record import MEMORY, record_path
from reben.runtime.errors import RebenError

PLAN = Plan(str(RESULTS.root), TILES)
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
            return _marker(PLAN.reason(rule, tile))
        except (RebenError, OSError) as error:
            raise WorkflowError(str(error)) from None

    return inputs


def _marker(reason):
    """The marker: new where there is a reason to run."""
    if workflow.executor_plugin is not None and not workflow.dryrun:
        _begin()
        return [_MARKER if reason else ancient(_MARKER)]
    if (
        reason
    ):  # of a dry run, which writes nothing: named after the reason, which it shows
        path = Path(workflow.snakemake_tmp_dir, re.sub(r"[^\w.]+", "_", reason)[:80])
        path.touch()
        return [str(path)]
    return [ancient(_MARKER)] if Path(_MARKER).exists() else []


def _begin():
    """Once, before the first job is planned in earnest: take the results for this build."""
    if _begun:
        return
    _begun.append(True)
    if workflow.execution_settings.lock:
        lock(RESULTS.root)
    take_possession(RESULTS.root, STAGES)
    write_products(FROZEN_PRODUCTS, PRODUCTS.values())
    # Another content every time: Snakemake overlooks a newer file that is the same.
    Path(_MARKER).write_text(f"{time.time_ns()}\n")
