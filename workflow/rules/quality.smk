"""The verdict on every product, from its own metadata.

In: the L2A product of a tile. Out: ``quality/{tile}.json``. A rejected product is data, not an
error: later steps write empty outputs for it.
"""

made_from(
    "check_quality",
    step="quality",
    environment="tables",
    options={"required": REQUIRED},
    sources=lambda tile: l2a_source(tile, "pattern", "**/MTD_*.xml"),
)


rule check_quality:
    """Judge a product by the quality indicators in its metadata."""
    input:
        made=due("check_quality"),
        product=l2a_made_here,
    output:
        verdict=RESULTS.verdict("{tile}"),
        record=record("check_quality"),
    log:
        RESULTS.log("check_quality", "{tile}"),
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),  # 60 MB measured: an XML file of 50 kB
        runtime=growing(10),  # 1 s measured
    params:
        step=step("check_quality"),
        product=lambda wildcards: l2a_path(wildcards.tile),
    shell:
        "python -m {params.step} --product {params.product:q} --tile {wildcards.tile}"
        " --out {output.verdict:q} 2> {log:q}"
