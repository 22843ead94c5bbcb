"""How steps are run: with this Python and the package of this clone."""

import os
import shlex
import sys

# The clone, relative to here; also if another workflow uses it as a module.
HOME = Path(os.path.relpath(WORKFLOW.parent))
PACKAGES = Path(HOME, "workflow").absolute()
sys.path.insert(0, str(PACKAGES))
from reben.runtime.processes import identity

# Rules run `python -m reben.<step>` in this environment, activated or not, in a conda
# environment or on a cluster node: the package is found by its path, not installed.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)
# With `--sdm conda apptainer`: an image made with `snakemake --containerize` (docs/conda.md).
if IMAGE := os.environ.get("REBEN_IMAGE"):

    containerized: IMAGE


# A step ends when Snakemake, this process, does, also if it starts only after that
# (`reben.runtime.cli`).
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PACKAGES))}"
    f" REBEN_SNAKEMAKE={shlex.quote(identity(os.getpid()))}; "
)


def growing(first):
    """A resource that grows with every attempt: a job killed for exceeding it is retried with more.

    The memory that rules request includes Snakemake itself in addition to the measured step: on
    a cluster node it runs twice around the step, 350 MB together (ps: 174 MB each).
    """
    return lambda wildcards, attempt: first * attempt
