"""Messages before the first job and after the last."""

from snakemake.logging import logger

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
for fault in dict.fromkeys(UNREADY.values()):
    logger.warning(fault)
if ABSENT:
    logger.warning(
        absence(ABSENT)
    )  # a dry run goes on without them; a build stops (`_miss`)


onsuccess:
    from rich.console import Console
    from reben.results.finished import read_build
    from reben.summary import made, nothing_kept, words

    if tables := made(RESULTS.root, since=STARTED):
        logger.info(words(tables, Console(stderr=True, no_color=True)))
    counted = RESULTS.funnel.exists() and RESULTS.funnel.stat().st_mtime >= STARTED
    if counted and (empty := nothing_kept(read_build(RESULTS.root))):
        logger.warning(empty)


onerror:
    from reben.summary import last_words

    # Jobs that failed in every try.
    logs = [
        log for job in sorted(workflow.scheduler.failed, key=str) for log in job.log
    ]
    if listed := last_words(logs):
        logger.error(f"Fix the cause and run the same command again:\n{listed}")
