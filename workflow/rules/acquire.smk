"""Products from the Copernicus Data Space (CDSE) or from this machine, complete and checked.

In: the product table; local zips and folders, or the service. Out: ``l1c/{tile}``, and
``l2a/{tile}.SAFE`` of L2A products that are not used in place.

These rules have no code version, and read the product table when they run instead of taking its
cells as options: an edited module, a checksum filled in later or a longer table must not fetch
gigabytes again and repeat days of processing for the same result. Another product, or a local
file with other content, is fetched. Only sen2cor needs the folders below ``l1c/``; once ``l2a/``
has the tile, they may be deleted, and are not made again.
"""

CDSE_VARIABLES = (
    "CDSE_USERNAME",
    "CDSE_PASSWORD",
    "CDSE_S3_ACCESS_KEY",
    "CDSE_S3_SECRET_KEY",
)


envvars:
    # Only those that are set: a netrc file works too.
    *[name for name in CDSE_VARIABLES if name in os.environ],


# For each level, the tiles whose product is fetched or unpacked, as a regular expression.
FETCHED = {
    level: "|".join(
        re.escape(tile)
        for tile, product in PRODUCTS.items()
        if product.level == level and not product.is_used_in_place
    )
    or "(?!)"
    for level in ("L1C", "L2A")
}


for name, level, others in (
    ("acquire", "L1C", []),
    ("acquire_l2a", "L2A", ["run_sen2cor"]),
):
    made_from(
        name,
        step="acquire",
        environment=None,
        coded=False,
        settings=fetched_product,
        sources=partial(local_product, level),
        instead_of=others,
    )


rule acquire:
    """Fetch a product, check it against its manifest and unpack it."""
    input:
        made=due("acquire"),
    output:
        product=directory(RESULTS.l1c("{tile}")),
        record=record("acquire"),
    log:
        RESULTS.log("acquire", "{tile}"),
    wildcard_constraints:
        tile=FETCHED["L1C"],
    conda:
        "../../envs/acquire.yaml"
    threads: 1
    resources:
        # Downloads; the service allows 4 at once, which the profiles set.
        cdse=lambda wildcards: int(PRODUCTS[wildcards.tile].source == "cdse"),
        mem_mb=growing(1000),  # 66 MB measured over S3, 53 over HTTPS, 48 from a zip (650 MB)
        runtime=240,  # minutes, enough at 100 kB/s; a job that exceeds it resumes
    params:
        step=step("acquire"),
    shell:
        'python -m {params.step} --products "$REBEN_PRODUCTS" --tile {wildcards.tile}'
        " --out {output.product:q} 2> {log:q}"


use rule acquire as acquire_l2a with:
    """Fetch an L2A product that is not used in place."""
    input:
        made=due("acquire_l2a"),
    output:
        product=directory(RESULTS.l2a("{tile}")),
        record=record("acquire_l2a"),
    log:
        RESULTS.log("acquire_l2a", "{tile}"),
    wildcard_constraints:
        tile=FETCHED["L2A"],
    params:
        step=step("acquire_l2a"),
