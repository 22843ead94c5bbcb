"""The user's input: the configuration and the product table, checked."""

import json
from importlib.metadata import version

from snakemake.utils import validate

from reben.config.check import all_inputs, check_keys, check_settings, find_shipped
from reben.config.user_file import places
from reben.domain.names import TILE_PATTERN
from reben.memory.ownership import check_place
from reben.memory.plan import frozen
from reben.results.layout import STAGES, Layout
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

ALIGNED = config["alignment"]["pairs"] is not None
SENTINEL1 = config["sentinel1"]["root"] is not None
COUNTRIES = config["countries"]["path"] is not None
KINDS = [
    kind
    for kind in ("s2", "s1", "reference_maps")
    if kind in config["lmdb"]["include"] and (kind != "s1" or SENTINEL1)
]
CORRECTED = any(product.level == "L1C" for product in PRODUCTS.values())

# Without the place of the results: moving them does not change them.
CONFIG_JSON = json.dumps(
    {key: value for key, value in config.items() if key != "results"}, sort_keys=True
)
SNAKEMAKE_VERSION = version("snakemake")


wildcard_constraints:
    tile=TILE_PATTERN,
