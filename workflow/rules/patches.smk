"""From products to patches, one GeoTIFF per patch and band.

In: the L2A product of a tile. Out: ``patches/{tile}`` and ``tables/patches/{tile}.parquet``.
"""

# The step evaluates the quality rule itself. So another rule cuts only tiles whose verdict
# changes.
os.environ.update(REBEN_REQUIRED=" ".join(REQUIRED))


made_from(
    "make_patches",
    step="patches",
    environment="raster",
    options={
        "patch_side_m": config["patches"]["side_m"],
        "harmonise_offset": config["patches"]["harmonise_offset"],
        "container": config["patches"]["container"],
    },
    sources=l2a_source,
    found=verdict_now,
)


rule make_patches:
    """Cut a product into patches, one GeoTIFF per patch and band, and note which are valid."""
    input:
        made=due("make_patches"),
        product=l2a_made_here,
    output:
        folder=directory(RESULTS.patches("{tile}")),
        table=RESULTS.patch_table("{tile}"),
        record=record("make_patches"),
    log:
        RESULTS.log("make_patches", "{tile}"),
    conda:
        "../../envs/raster.yaml"
    threads: 4
    resources:
        mem_mb=growing(2000),  # 0.7 GB measured, full-size tile
        runtime=growing(30),  # 1-2.5 min measured on two cores
    params:
        step=step("make_patches"),
        product=lambda wildcards: l2a_path(wildcards.tile),
    shell:
        "python -m {params.step} --product {params.product:q} --tile {wildcards.tile}"
        " --required $REBEN_REQUIRED --threads {threads}"
        " --out {output.folder:q} --table {output.table:q} 2> {log:q}"
