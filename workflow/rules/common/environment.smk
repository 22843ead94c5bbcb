"""How steps are run: by this Python, with the package of this clone."""

import os
import shlex
import sys

# The clone, seen from here; also where another workflow uses it as a module.
HOME = Path(os.path.relpath(WORKFLOW.parent))
PACKAGES = Path(HOME, "workflow").absolute()
sys.path.insert(0, str(PACKAGES))

# Rules run `python -m reben.<step>` in this environment, activated or not, in a conda
# environment or on a cluster node alike: the package is found by its path, it is not installed.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)
# With `--sdm conda apptainer`: an image made by `snakemake --containerize` (docs/conda.md).
if IMAGE := os.environ.get("REBEN_IMAGE"):

    containerized: IMAGE


# A step ends when Snakemake, the parent of its shell, does (`reben.runtime.cli`).
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PACKAGES))}"
    " REBEN_SNAKEMAKE=$PPID; "
)


def growing(first):
    """A resource that grows with every attempt: a job killed for it comes back with more.

    The memory that rules ask for holds, beside the step that was measured, Snakemake itself:
    on a cluster's node it runs twice around the step, 350 MB together (ps: 174 MB each).
    """
    return lambda wildcards, attempt: first * attempt
