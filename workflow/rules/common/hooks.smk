"""Messages before the first job and after the last."""

import atexit
from itertools import chain

from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from reben.results.keeping import delete, not_kept

STARTED = time.time()


def missed(absent):
    """Of the inputs that are not there, those that a job of the dataset would need now."""
    paths = {*absent.values()}
    needed = set()
    for step in PLAN.rules.keys() - {"report", "audit"} if absent else ():
        for tile in PLAN.names(step):
            here = PLAN.inputs(step, tile) & paths
            if here and PLAN.reason(step, tile):
                needed |= here
    return {key: path for key, path in absent.items() if path in needed}


def unready():
    """By rule, what its jobs that are due would fail for, hours later."""

    def is_due(name, **wanted):
        return any(
            PLAN.reason(name, tile)
            for tile, product in PRODUCTS.items()
            if all(getattr(product, key) == value for key, value in wanted.items())
        )

    faults = {}
    if is_due("run_sen2cor", level="L1C") and (fault := sen2cor_fault(config)):
        faults["run_sen2cor"] = fault
    fetched = {
        name
        for name, level in (("acquire", "L1C"), ("acquire_l2a", "L2A"))
        if is_due(name, level=level, source="cdse")
    }
    if fetched and (fault := account_fault()):
        faults |= dict.fromkeys(fetched, fault)
    for name in [name for name in OPENED if name in PLAN.rules]:
        opened = PLAN.inputs(name)
        if opened and not opened & {*ABSENT.values()} and PLAN.reason(name):
            if fault := input_fault(name, config):
                faults[name] = fault
    return faults


ABSENT = missed(absent_inputs(config, PRODUCTS)) if workflow.is_main_process else {}
UNREADY = unready() if workflow.is_main_process else {}
FAILED = []  # logs of the jobs that failed in every try


def to_fix():
    """What the user has to fix before this build can run."""
    return "\n".join(
        [*given(ABSENT, [absence(ABSENT)]), *dict.fromkeys(UNREADY.values())]
    )


def is_complete():
    """Whether this command is for the whole dataset, or for more, and nothing of that is due."""
    asked = workflow.dag_settings
    if asked.until or asked.omit_from or workflow.dag.targetfiles:
        return False
    last = {"build_metadata", "count_funnel", "build_lmdb"}
    reasons = (PLAN.reason(step, tile) for step in PLANNED for tile in PLANNED[step])
    return last <= PLANNED.keys() and not any(reasons)


def tidied():
    """Delete the stages that `keep` does not name, of a complete dataset; what was deleted."""
    from reben.summary import size_words

    try:
        folders = not_kept(RESULTS, config["keep"], TILES)
        if not (folders and is_complete()):
            return ""
        freed = sum(map(delete, chain(*folders.values())))
    except (RebenError, OSError) as error:
        return f"warning: what `keep` does not name could not be deleted: {error}"
    return f"Deleted {', '.join(folders)}, which `keep` does not name: {size_words(freed)} freed"


def ending(since=0):
    """What was made and where to look at it; without `since` all there is, unless it is old."""
    from reben.summary import build_words

    is_counted = PLAN.reason("count_funnel") is None
    if not (is_counted or since):
        return ""
    try:
        return build_words(RESULTS.root, since, is_counted)
    except (RebenError, OSError) as error:
        return f"warning: the results cannot be summarised: {error}"


def last_of_all():
    """What must not scroll away: of Snakemake only the way out follows."""
    from reben.summary import last_words, say

    if not PLAN.owns_results:
        space = space_fault(config, PRODUCTS, DUE)
        faults = [*given(LACKING, [to_fix()]), *given(space, [space])]
        if faults:
            say("\n".join(["This build cannot run yet:", *faults]), "yellow")
    elif FAILED:
        causes = last_words(FAILED)
        say(f"Fix the cause and run the same command again:\n{causes}", "red")
    elif workflow.scheduler and not len(workflow.dag):
        # Nothing was to be done: then Snakemake calls no hook.
        deleted = tidied()
        if Quietness.ALL not in (workflow.output_settings.quiet or ()):
            say(deleted)
            say(ending())


if workflow.is_main_process:
    atexit.register(last_of_all)


onstart:
    if fault := space_fault(config, PRODUCTS, DUE):
        sys.exit(f"error: {fault}")


onsuccess:
    from reben.results.finished import read_build
    from reben.summary import nothing_kept

    if deleted := tidied():
        logger.info(deleted)
    logger.info(ending(since=STARTED))
    counted = RESULTS.funnel.exists() and RESULTS.funnel.stat().st_mtime >= STARTED
    if counted and (empty := nothing_kept(read_build(RESULTS.root))):
        logger.warning(empty)


onerror:
    FAILED.extend(
        log for job in sorted(workflow.scheduler.failed, key=str) for log in job.log
    )
