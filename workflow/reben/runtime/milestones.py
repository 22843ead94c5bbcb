"""The progress of a program that runs for long, a line for each tenth on the terminal.

In: the lines that it prints. Out: lines on standard output, which Snakemake leaves to its steps: on
one machine it is the terminal, on a cluster the log of the job. Errors and news go to stderr,
which is the step's own log.
"""

import os
import re
import select
from contextlib import suppress

#: As sen2cor says it: "Progress[%]: 23.45 : PID-1234, L2A_AtmCorr, …".
_PERCENT = re.compile(r"Progress\[%\]:\s*(\d{1,3})(?:\.\d+)?\s")
_STDOUT = 1


class Milestones:
    """Tenths that a program has done.

    Args:
        name: what to call it.
    """

    def __init__(self, name: str) -> None:
        self._name, self._done = name, 0

    def take(self, line: str) -> None:
        """Look at a line that the program printed; say so if it begins another tenth."""
        match = _PERCENT.search(line)
        percent = min(int(match[1]), 100) // 10 * 10 if match else 0
        if percent > self._done:
            self._done = percent
            tell(f"{self._name} {percent} %")


def tell(line: str) -> None:
    """Write a line to standard output if it takes it now: work waits for no terminal."""
    # In place of the last line on a terminal: it may be a progress bar, which is drawn again.
    with suppress(OSError, ValueError):
        start = "\r\x1b[K" if os.isatty(_STDOUT) else ""
        if select.select([], [_STDOUT], [], 0)[1]:
            os.write(_STDOUT, f"{start}{line}\n".encode())
