"""What makes a job run again: its record, in `.reben` of the results (`reben.memory`).

What the jobs of a rule are made from stands before it, in `made_from`; the rule itself has an
input `made=due(RULE)` and an output `record=record(RULE)`. The story of a job: when it is planned,
`due` compares its record with what is wanted now, and returns the marker, a file that is new in
every build. Of a job that is done the marker is `ancient`, which Snakemake does not compare; of one
that is due it is not, and the record gets a time in the distant past, so that the marker is newer
whatever the clocks say. The step removes the record when it begins and writes it when it has
ended well. So neither Snakemake's memory (`.snakemake`) nor its hooks are needed.

Inputs from outside the results are parameters, not inputs: their content decides, and is in the
record. As an input of Snakemake, one with a time in the future would condemn every output.
"""

import atexit
import re
import time

from reben.config.check import absence, absent_inputs
from reben.config.product_table import write_products
from reben.memory.lock import lock, unlock
from reben.memory.ownership import take_possession
from reben.memory.plan import Made, Plan
from reben.memory.record import MEMORY
from reben.ready import OPENED, account_fault, input_fault, sen2cor_fault, space_fault
from reben.runtime.errors import ConfigError, RebenError
from reben.runtime.files import write_json

# Conda's libraries are not those of the wheels: PROJ differs, and with it some coordinates.
DEPLOYMENT = (
    workflow.deployment_settings.deployment_method
    if workflow.deployment_settings
    else []
)
WHERE = [*sorted(str(method) for method in DEPLOYMENT), *([IMAGE] if IMAGE else [])]
PLAN = Plan(str(RESULTS.root), TILES, " ".join(WHERE), [run.name for run in RUNS])
#: The jobs of this build that are due, by rule, and the rules of which some lack something.
DUE, LACKING = {}, set()
#: All jobs that the targets of this command need, due or not, by rule.
PLANNED = {}
_MARKER = f"{RESULTS.root}/{MEMORY}/.plan"

if "--unlock" in sys.argv and workflow.is_main_process:
    unlock(RESULTS.root)


def made_from(rule, **made):
    """State what the jobs of a rule are made from (`reben.memory.plan.Made`)."""
    # In a module that another workflow uses, the rule gets another name.
    name = workflow.modifier.modify_rulename(rule)
    PLAN.rules[rule] = Made(**made, command=lambda: _command_of(name))


def _command_of(name):
    """The shell command of a rule, as written; empty where another workflow has renamed it."""
    return workflow.get_rule(name).shellcmd if workflow.is_rule(name) else ""


def job_name(wildcards):
    """What the memory calls a job: its tile, its run, or nothing if it is the only one."""
    if "seed" in wildcards.keys():
        return ANY_RUN.name.format(**wildcards)
    return wildcards.get("tile", "")


def record(rule):
    """The record of a rule's job, as an output."""
    return PLAN.record(rule, ANY_RUN.name if PLAN.rules[rule].per_run else "{tile}")


def step(rule):
    """What follows `python -m` for a job: the step, what to record, its options."""
    return lambda wildcards: shlex.join(PLAN.arguments(rule, job_name(wildcards)))


def due(rule):
    """The input that makes a job run if its record is not what is wanted."""

    def inputs(wildcards):
        if not workflow.is_main_process:
            return _MARKER  # a node runs what it was given
        is_real = workflow.executor_plugin is not None and not workflow.dryrun
        tile = job_name(wildcards)
        PLANNED.setdefault(rule, set()).add(tile)
        try:
            if is_real:
                _begin()
            reason = PLAN.reason(rule, tile)
            if reason is not None:
                DUE.setdefault(rule, set()).add(tile)
                _miss(rule, tile, is_real)
            if not is_real:
                return _shown(reason)
            PLAN.age(rule, tile, reason is not None)
        except (RebenError, OSError) as error:
            # Not an Exception: of those Snakemake overlooks some, and would find nothing to do.
            sys.exit(f"error: {error}")
        return [_MARKER if reason else ancient(_MARKER)]

    return inputs


def _miss(rule, tile, is_real):
    """Stop for what is not there, before the first job; a dry run lists it at its end."""
    if is_real and workflow.executor_plugin.common_settings.non_local_exec:
        UNREADY.pop("run_sen2cor", None)  # on a cluster, it may be on the nodes alone
    if not (UNREADY.get(rule) or PLAN.inputs(rule, tile) & {*ABSENT.values()}):
        return
    if is_real and not workflow.dag_settings.until:
        raise ConfigError(to_fix())
    LACKING.add(rule)  # perhaps beyond `--until`


def _shown(reason):
    """The marker of a dry run, which writes nothing: named after the reason, as it is printed."""
    if reason is None:
        return [ancient(_MARKER)] if Path(_MARKER).exists() else []
    path = Path(workflow.snakemake_tmp_dir, re.sub(r"[^\w.]+", "_", reason)[:80])
    path.touch()
    return [str(path)]


def _begin():
    """Once, before the first job is planned in earnest: take the results for this build."""
    if PLAN.owns_results:
        return
    if workflow.execution_settings.lock:
        lock(RESULTS.root)
        # Once more, since what comes last is called first: before the lock is released.
        atexit.unregister(last_of_all)
        atexit.register(last_of_all)
    take_possession(RESULTS.root, STAGES)
    write_products(FROZEN_PRODUCTS, PRODUCTS.values())
    write_json(FROZEN_CONFIG, config)
    # Another content every time: Snakemake overlooks a newer file that is the same.
    Path(_MARKER).write_text(f"{time.time_ns()}\n")
    PLAN.owns_results = True
