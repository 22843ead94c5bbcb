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


ABSENT = missed(absent_inputs(config, PRODUCTS)) if workflow.is_main_process else {}
if ABSENT:
    logger.warning(
        absence(ABSENT)
    )  # a dry run goes on without them; a build stops (`_miss`)


onsuccess:
    from rich.console import Console
    from reben.summary import made, words

    if tables := made(RESULTS.root, since=STARTED):
        logger.info(words(tables, Console(stderr=True, no_color=True)))


onerror:
    from reben.summary import last_words

    # Jobs that failed in every try.
    logs = [
        log for job in sorted(workflow.scheduler.failed, key=str) for log in job.log
    ]
    if listed := "\n".join(map(last_words, logs)):
        logger.info(f"Fix the cause and run the same command again:\n{listed}")
