"""Sentinel-1 patches: an index of all of them, and the pair of each patch.

In: the folder of BigEarthNet-S1 patches, ``tables/patches/{tile}.parquet``, the alignment. Out:
``tables/sentinel1_index.parquet``, ``tables/sentinel1/{tile}.parquet``.
"""

made_from(
    "index_sentinel1",
    step="sentinel1",
    environment="raster",
    per_tile=False,
    sources=lambda _: source("sentinel1.root", "folders"),
)
made_from(
    "pair_sentinel1",
    step="sentinel1",
    environment="raster",
    # With an alignment the time does not decide.
    options={} if ALIGNED else {"max_gap_h": config["sentinel1"]["max_gap_h"]},
    sources=lambda tile: source("sentinel1.root", "headers", RESULTS.sentinel1(tile)),
    after=["index_sentinel1", "make_patches", *given(ALIGNED, ["align_patches"])],
)


rule index_sentinel1:
    """Find all Sentinel-1 patches below the root, once for all tiles."""
    input:
        made=due("index_sentinel1"),
    output:
        table=RESULTS.sentinel1_index,
        record=record("index_sentinel1"),
    log:
        RESULTS.log("index_sentinel1"),
    conda:
        "../../envs/raster.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),  # 0.2 GB measured, one tile
        runtime=growing(60),  # 2 s measured, one tile: 8,281 folders
    params:
        step=step("index_sentinel1"),
        root=config["sentinel1"]["root"],
    shell:
        "python -m {params.step} index --root {params.root:q} --out {output.table:q} 2> {log:q}"


rule pair_sentinel1:
    """Find and check the Sentinel-1 patch of every valid patch of a tile."""
    input:
        made=due("pair_sentinel1"),
        index=RESULTS.sentinel1_index,
        patches=RESULTS.patch_table("{tile}"),
        alignment=given(ALIGNED, RESULTS.alignment),
    output:
        table=RESULTS.sentinel1("{tile}"),
        record=record("pair_sentinel1"),
    log:
        RESULTS.log("pair_sentinel1", "{tile}"),
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(1000),  # 0.3 GB measured, full-size tile
        runtime=growing(15),  # 3 s measured
    params:
        step=step("pair_sentinel1"),
        root=config["sentinel1"]["root"],
        alignment=lambda wildcards, input: options(alignment=input.alignment or None),
    shell:
        "python -m {params.step} pair --root {params.root:q} --index {input.index:q}"
        " --patches {input.patches:q} {params.alignment} --threads {threads}"
        " --out {output.table:q} 2> {log:q}"
