"""Building BigEarthNet-style datasets, one step a module.

A step is a module, or a folder with a ``__main__`` where it is several; what it shares with
others is beside it. Every step is pure functions plus a thin ``main(argv)``, so that it runs as
``python -m reben.<step>``, with or without Snakemake. The package never imports
Snakemake. The order of the data is that of ``workflow/rules/``.
"""

__version__ = "0.1.0"
