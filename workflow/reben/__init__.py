"""Build BigEarthNet-style datasets, one module per step.

A module at this level is something you run or import: a step, a command-line tool, or the
dataset reader. A step that needs several modules is a folder with a ``__main__``
(``audit``, ``report``, ``publish``, ``verify``). Shared code is in the other folders.
Each step consists of pure functions and a thin ``main(argv)``, so it runs as
``python -m reben.<step>``, with or without Snakemake. The package never imports Snakemake.
``workflow/rules/`` follows the order of the data; docs/architecture.md draws the plan.
"""

import sys

from reben.runtime.libraries import settle

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"]:  # as Python has it while it looks for the module of `python -m reben...`
    settle()
