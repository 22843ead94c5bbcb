"""The user's input: the configuration and the product table, checked."""

import json
from importlib.metadata import version

from snakemake.utils import validate

from reben.config import land_cover
from reben.config.check import all_inputs, check_keys, check_settings, find_shipped
from reben.config.check import trained_modalities
from reben.config.user_file import check_file, places
from reben.domain.names import TILE_PATTERN
from reben.memory.ownership import check_place
from reben.memory.plan import frozen
from reben.results.layout import STAGES, Layout
from reben.results.model_layout import ANY_RUN, ModelLayout, Run
from reben.runtime.errors import RebenError
from reben.runtime.files import read_json

# While a build runs, its config and product table are those that it started with: on a node,
# which reads them again, and for steps over all tiles.
FROZEN_CONFIG, FROZEN_PRODUCTS = frozen(config.get("results", "results"))
RUNS_A_JOB = not workflow.is_main_process and FROZEN_CONFIG.exists()
if RUNS_A_JOB:
    config.update(read_json(FROZEN_CONFIG))

# check_keys() reports each wrong key on a line; validate() would print the schema, but sets
# the defaults. The user's files come before the defaults, and of several the last one counts.
USER_FILES = [*workflow.configfiles[-2::-1], *workflow.configfiles[-1:]]
try:
    for user_file in [] if RUNS_A_JOB else USER_FILES:
        check_file(user_file)
    check_keys(config, PACKAGES / "schemas" / "config.schema.json", places(*USER_FILES))
    validate(config, "../../schemas/config.schema.json")
    find_shipped(config, HOME)
    RESULTS = Layout(
        os.path.normpath(config["results"])
    )  # `results/` is no other folder
    PRODUCTS = check_settings(
        config, FROZEN_PRODUCTS if RUNS_A_JOB else config["products"]
    )
    TILES = list(PRODUCTS)
    check_place(RESULTS.root, all_inputs(config, PRODUCTS), HOME)
except RebenError as error:
    # Snakemake would name this file and line, not the user's.
    sys.exit(f"error: {error}")
REQUIRED = sorted(config["quality"]["required"])
os.environ.update(REBEN_PRODUCTS=str(FROZEN_PRODUCTS))

FROM_MAP = land_cover.is_raster(config)
ALIGNED = config["alignment"]["pairs"] is not None
SCENES = config["sentinel1"]["scenes"] is not None
#: The folder of all Sentinel-1 patches, or None.
SENTINEL1_ROOT = RESULTS.sentinel1_root(config["sentinel1"])
SENTINEL1 = SENTINEL1_ROOT is not None
COUNTRIES = config["countries"]["path"] is not None
KINDS = [
    kind
    for kind in ("s2", "s1", "reference_maps")
    if kind in config["lmdb"]["include"] and (kind != "s1" or SENTINEL1)
]
CORRECTED = any(product.level == "L1C" for product in PRODUCTS.values())

# Without what changes no dataset: where the results are and what of them is kept, the pages, and
# what is trained.
_NOT_OF_THE_DATASET = ("results", "keep", "report", "training")
CONFIG_JSON = json.dumps(
    {k: v for k, v in config.items() if k not in _NOT_OF_THE_DATASET}, sort_keys=True
)
SNAKEMAKE_VERSION = version("snakemake")


wildcard_constraints:
    tile=TILE_PATTERN,


# What is trained, on the dataset of this build or on another one.
TRAINING = config["training"]
MODELS = ModelLayout(RESULTS.root)
RUNS = [
    Run(model, modality, seed)
    for model in TRAINING["models"]
    for modality in trained_modalities(config)
    for seed in TRAINING["seeds"]
]
