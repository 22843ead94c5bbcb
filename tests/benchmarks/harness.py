"""Time one thing at a time, each in a separate process."""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

Action = Callable[[], object]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        step: what was timed.
        seconds: wall time.
        per_second: patches per second.
        ratio: how many times faster than `floor`, measured in the same run; None for a
            row that is itself a floor.
        floor: name of the baseline.
        peak_mb: peak memory of the process that ran it alone; None if it is not known.
    """

    step: str
    seconds: float
    per_second: float
    ratio: float | None
    floor: str
    peak_mb: float | None


def measured(
    function: Callable[..., Callable[[], object]], *args: object, tries: int = 1
) -> tuple[float, float]:
    """Time the function that `function` returns, in a separate process.

    Args:
        function: does imports and preparation, which are not timed.
        args: its arguments.
        tries: number of tries, the shortest counts; the first to write new blocks is often slow.

    Returns:
        Wall time in seconds and peak memory in MB.
    """
    context = multiprocessing.get_context("spawn")
    results = []
    for _ in range(tries):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_report, args=(sender, function, args))
        process.start()
        sender.close()
        try:
            results.append(receiver.recv())
        finally:
            process.join()
    return min(results)


def _report(sender: Any, function: Callable[..., Any], args: tuple[object, ...]) -> None:
    action = function(*args)
    os.sync()  # earlier writes must not slow this one
    start = time.perf_counter()
    action()
    seconds = time.perf_counter() - start
    sender.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))


def plain(function: Callable[..., object], *args: object) -> Action:
    """For `measured`: a function that needs no preparation."""
    return partial(function, *args)
