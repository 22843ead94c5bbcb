"""What all rules share: the products, the places of things, what makes a rule run again."""

import json
import os
import re
import shlex
import sys
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from snakemake.logging import logger
from snakemake.utils import validate

# The clone that this file lies in, also where another workflow uses it as a module. Seen from
# here: a clone that is moved with its results has nothing to do.
HOME = Path(os.path.relpath(Path(str(workflow.current_basedir)).parents[1]))
PACKAGES = Path(HOME, "workflow").absolute()
sys.path.insert(0, str(PACKAGES))

from reben.code_version import code_version as step_version
from reben.code_version import data_version, environment_version
from reben.errors import ConfigError, RebenError
from reben.files import read_json, write_json
from reben.names import TILE_PATTERN
from reben.quality import judge
from reben.safe.metadata import L2AProduct
from reben.settings import absent_inputs, check_keys, check_settings, find_shipped

# Rules run `python -m reben.<step>` in this environment, activated or not, in a conda
# environment or on a cluster node alike: the package is found by its path, it is not installed.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)
# A step ends when Snakemake, the parent of its shell, does (`reben.cli`).
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PACKAGES))}"
    " REBEN_SNAKEMAKE=$PPID; "
)

# With `--sdm conda apptainer`: an image made by `snakemake --containerize` (docs/conda.md).
if IMAGE := os.environ.get("REBEN_IMAGE"):

    containerized: IMAGE


# Of what is wrong this says a line a key; validate() prints the schema, and sets defaults.
check_keys(config, PACKAGES / "schemas" / "config.schema.json")
validate(config, "../schemas/config.schema.json")
find_shipped(config, HOME)

# The memory that rules ask for holds, beside the step that was measured, Snakemake itself:
# on a cluster's node it runs twice around the step, 350 MB together (ps: 174 MB each).
RESULTS = os.path.normpath(config["results"])  # `results/` is no other folder
LOGS = f"{RESULTS}/logs"
TABLES = f"{RESULTS}/tables"
PRODUCTS = check_settings(config)
TILES = list(PRODUCTS)
REQUIRED = sorted(config["quality"]["required"])
# For jobs that go by these and yet must not all run again when one changes.
os.environ.update(REBEN_REQUIRED=" ".join(REQUIRED), REBEN_PRODUCTS=config["products"])
ALIGNED = config["alignment"]["pairs"] is not None
SENTINEL1 = config["sentinel1"]["root"] is not None
COUNTRIES = config["countries"]["path"] is not None

STARTED = time.time()
# Without where the results lie: moved, they are the same.
CONFIG_JSON = json.dumps(
    {key: value for key, value in config.items() if key != "results"}, sort_keys=True
)
SNAKEMAKE_VERSION = version("snakemake")


wildcard_constraints:
    tile=TILE_PATTERN,


ABSENT = absent_inputs(config, PRODUCTS) if workflow.is_main_process else ""
if ABSENT:
    logger.warning(ABSENT)  # a dry run goes on without them


onstart:
    # Before the first job, not after three days of sen2cor.
    if ABSENT:
        raise ConfigError(ABSENT)


onsuccess:
    from rich.console import Console
    from reben.summary import made, words

    if tables := made(RESULTS, since=STARTED):
        logger.info(words(tables, Console(stderr=True, no_color=True)))


onerror:
    from reben.summary import last_words

    jobs = sorted(workflow.scheduler.failed, key=str)  # what no retry made up for
    FAILED.update(
        {failure_key(step_of(job), job.wildcards): STARTED for job in jobs}
    )
    write_json(FAILURES, FAILED)
    if listed := "\n".join(last_words(log) for job in jobs for log in job.log):
        logger.info(f"Mend this and give the same command again:\n{listed}")


# When jobs last failed. Snakemake records a failed job and its new parameters like a finished
# one, and does not miss its outputs where those that follow are there from before: it would
# find nothing to be done, and leave a dataset of the old settings. So a failure is a parameter.
FAILURES = Path(".snakemake", "reben_failures.json")
FAILED = read_json(FAILURES) if FAILURES.exists() else {}


def step_of(job):
    """The step that a job runs, what follows `python -m reben.`"""
    return re.search(r"-m reben\.(\S+)", job.shellcmd)[1]


def failure_key(step, wildcards):
    """What tells a step's jobs apart."""
    return f"{step} {wildcards.get('tile', '')}"


def last_failure(step):
    """When a step's job last failed, as a parameter; nothing for most."""
    return lambda wildcards: FAILED.get(failure_key(step, wildcards), "")


def code_version(step):
    """The version of a step's code, and when its job last failed, as a parameter.

    Worked out only for rules with a job: a cluster's node, where Snakemake runs one job, does
    not read the code of all steps.
    """
    failure = last_failure(step)
    return lambda wildcards: f"{step_version(step)} {failure(wildcards)}".strip()


def at_hand(path):
    """A file that the user provides, as an input; a dry run works without it."""
    return path if path is not None and Path(path).exists() else []


def given(condition, path):
    """An input that is there only if the config asks for it."""
    return path if condition else []


def of_tiles(pattern):
    """A path with {tile}, for all tiles."""
    return expand(pattern, tile=TILES)


# For a command line, which has no room for the paths of thousands of tiles (reben.tile_paths).
ALL_VERDICTS = f"{RESULTS}/quality/*.json"


def l2a_product(wildcards):
    """The L2A folder of a tile: where the user has it, or where the workflow makes it."""
    product = PRODUCTS[wildcards.tile]
    if product.is_used_in_place:
        return at_hand(product.path)
    return f"{RESULTS}/l2a/{wildcards.tile}.SAFE"


def options(**values):
    """Command line options for the values that are given, quoted for the shell."""
    words = []
    for name, value in values.items():
        if value is None or value is False or value == []:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += [value] if isinstance(value, (str, int, float)) else value
    return shlex.join(str(word) for word in words)


@lru_cache
def read_manifest(path, mtime_ns):
    """The clip of each tile. Read once for all tiles, and again when the file changes."""
    return {tile: entry["clip"] for tile, entry in read_json(path)["tiles"].items()}


def verdict(wildcards):
    """Why a product is rejected; nothing where it is accepted. A parameter of its patches.

    Read from the product when the jobs are planned: so a new quality rule cuts only those
    tiles again whose verdict it changes. The job itself judges before it cuts.
    """
    try:
        product = L2AProduct.open(l2a_product(wildcards) or ".")
        return judge(product, REQUIRED)
    except RebenError:
        return None  # not there yet, or damaged: its own jobs will say so


def clip_of(wildcards):
    """The clip that the manifest names for a tile."""
    manifest = checkpoints.clip_corine.get().output.manifest
    clips = read_manifest(manifest, Path(manifest).stat().st_mtime_ns)
    return f"{RESULTS}/corine/{clips[wildcards.tile]}"


def after_clip(wildcards):
    """No file. A rule with this input is judged anew when the clip is through.

    Snakemake marks all that follows a checkpoint to run again, and takes that back only for
    jobs that ask the checkpoint for an input. So every rule that follows asks, even if for
    nothing: then what did not change does not run.
    """
    checkpoints.clip_corine.get()
    return []


KINDS = ("s2", "s1", "reference_maps")


def shards(kind):
    """The shards of all tiles, where the dataset includes that kind of data."""
    included = kind in config["lmdb"]["include"] and (kind != "s1" or SENTINEL1)
    return given(included, of_tiles(f"{RESULTS}/encoded/{kind}/{{tile}}.lmdb"))


def product_at_hand(wildcards):
    """The L2A folder of a tile where it is still there; its absence makes nothing run."""
    product = PRODUCTS[wildcards.tile]
    used = (
        product.path
        if product.is_used_in_place
        else f"{RESULTS}/l2a/{wildcards.tile}.SAFE"
    )
    return options(product=used)
