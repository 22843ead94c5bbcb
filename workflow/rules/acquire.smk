"""Products from the Copernicus Data Space (CDSE) or from here, whole and checked.

These rules carry no code version, and read the product table as they run instead of taking
its cells as parameters: an edited module, a checksum filled in later or a longer table must
not fetch gigabytes again and process for days what comes out the same. So where the table
is reaches the jobs as an environment variable, which Snakemake does not compare. Another
product, or a newer local file, is fetched. Folders below results/l1c/ are needed by sen2cor alone; once
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


# Of each level, the tiles whose product is fetched or unpacked, as a regular expression.
FETCHED = {
    level: "|".join(
        re.escape(tile)
        for tile, product in PRODUCTS.items()
        if product.level == level and not product.is_used_in_place
    )
    or "(?!)"
    for level in ("L1C", "L2A")
}


rule acquire:
    """Fetch a product, check it against its manifest and unpack it."""
    input:
        lambda wildcards: at_hand(PRODUCTS[wildcards.tile].path or None),
    output:
        directory(f"{RESULTS}/l1c/{{tile}}"),
    log:
        f"{LOGS}/acquire/{{tile}}.log",
    wildcard_constraints:
        tile=FETCHED["L1C"],
    conda:
        "../../envs/acquire.yaml"
    threads: 1
    resources:
        # Downloads; the service allows 4 at once, and the profiles say so.
        cdse=lambda wildcards: int(PRODUCTS[wildcards.tile].source == "cdse"),
        # 66 MB seen over S3, 53 over HTTPS, 48 of a zip, each a product of 650 MB.
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=240,  # minutes, at 100 kB/s and more; a job ended by it goes on where it was
    params:
        product=lambda wildcards: PRODUCTS[wildcards.tile].product,
        source=lambda wildcards: PRODUCTS[wildcards.tile].source,
        failure=last_failure("acquire"),
    shell:
        'python -m reben.acquire --products "$REBEN_PRODUCTS" --tile {wildcards.tile}'
        " --out {output:q} 2> {log:q}"


use rule acquire as acquire_l2a with:
    output:
        directory(f"{RESULTS}/l2a/{{tile}}.SAFE"),
    log:
        f"{LOGS}/acquire_l2a/{{tile}}.log",
    wildcard_constraints:
        tile=FETCHED["L2A"],
