"""Building BigEarthNet-style datasets, one step a module.

A module at this level is something one runs or imports: a step, a tool for people, or the
reader of the dataset. A step that needs several modules is a folder with a ``__main__``
(``audit``, ``report``, ``publish``, ``verify``). Everything that they share lives in the other
folders. Every step is pure functions plus a thin ``main(argv)``, so that it runs as
``python -m reben.<step>``, with or without Snakemake. The package never imports Snakemake.
The order of the data is that of ``workflow/rules/``; docs/architecture.md draws the plan.
"""

import sys

from reben.runtime.libraries import settle

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"]:  # as Python has it while it looks for the module of `python -m reben...`
    settle()
