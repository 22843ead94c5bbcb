"""Products from the Copernicus Data Space (CDSE) or from here, whole and checked.

These rules carry no code version, and read the product table as they run instead of taking
its cells as parameters: an edited module, or a checksum filled in later, must not fetch
gigabytes again and process for days what comes out the same. Another product, or a newer
local file, is fetched. Folders below results/l1c/ are needed by sen2cor alone; once
results/l2a/ has the tile, they may be deleted by hand and are not made again.
"""

import os
import re

CDSE_VARIABLES = (
    "CDSE_USERNAME",
    "CDSE_PASSWORD",
    "CDSE_S3_ACCESS_KEY",
    "CDSE_S3_SECRET_KEY",
)


envvars:
    # Only those that are set: a netrc file does as well.
    *[name for name in CDSE_VARIABLES if name in os.environ],


def tiles_of(level):
    """A regular expression for the tiles whose products of a level are fetched or unpacked."""
    tiles = [t for t, p in PRODUCTS.items() if p.level == level and not p.is_used_in_place]
    return "|".join(map(re.escape, tiles)) or "(?!)"


rule acquire:
    """Fetch an L1C product, check it against its manifest and unpack it.

    `cdse` counts downloads; the service allows 4 at once, and the profiles say so.
    """
    input:
        lambda wildcards: at_hand(PRODUCTS[wildcards.tile].path or None),
    output:
        directory(f"{RESULTS}/l1c/{{tile}}"),
    wildcard_constraints:
        tile=tiles_of("L1C"),
    log:
        f"{LOGS}/acquire/{{tile}}.log",
    params:
        product=lambda wildcards: PRODUCTS[wildcards.tile].product,
        source=lambda wildcards: PRODUCTS[wildcards.tile].source,
    threads: 1
    resources:
        cdse=lambda wildcards: int(PRODUCTS[wildcards.tile].source == "cdse"),
        mem_mb=500,  # 90 MB seen; archives are streamed
        runtime=240,  # minutes at 1 MB/s and more; patience with a dead service is 120
    conda:
        "../../envs/acquire.yaml"
    shell:
        "python -m reben.acquire --products {config[products]:q} --tile {wildcards.tile}"
        " --out {output:q} 2>> {log:q}"


use rule acquire as acquire_l2a with:
    output:
        directory(f"{RESULTS}/l2a/{{tile}}.SAFE"),
    wildcard_constraints:
        tile=tiles_of("L2A"),
    log:
        f"{LOGS}/acquire_l2a/{{tile}}.log",
