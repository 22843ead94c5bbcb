"""A verifiable record of a build; a separate target, `snakemake ... audit`.

In: all outputs, and the records of what they were made from. Out: ``audit/``.
"""

made_from(
    "digest_tile",
    step="audit.digests",
    environment="raster",
    after=["make_patches", "make_reference_maps", *[ENCODERS[kind] for kind in KINDS]],
)
made_from(
    "audit",
    step="audit",
    environment="audit",
    per_tile=False,
    settings=lambda _: {"config": CONFIG_JSON, "snakemake": SNAKEMAKE_VERSION},
    sources=lambda _: {"products": Source(Path(config["products"]))},
    after=["digest_tile", "build_metadata", "count_funnel", "build_lmdb"],
)


rule digest_tile:
    """Digest all outputs of a tile."""
    input:
        made=due("digest_tile"),
        settled=after_clip,
        patches=RESULTS.patches("{tile}"),
        reference_maps=RESULTS.reference_maps("{tile}"),
        shards=[RESULTS.shard(kind, "{tile}") for kind in KINDS],
    output:
        digest=RESULTS.tile_digest("{tile}"),
        patches=RESULTS.tile_hashes("patches", "{tile}"),
        reference_maps=RESULTS.tile_hashes("reference_maps", "{tile}"),
        record=record("digest_tile"),
    log:
        RESULTS.log("digest_tile", "{tile}"),
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        # 1.5 GB measured, full-size tile: the mapped shard. A cgroup would reclaim it.
        mem_mb=growing(3000),
        runtime=growing(30),  # 100,000 files, 4 GB
    params:
        step=step("digest_tile"),
        cut=lambda wildcards: PLAN.record("make_patches", wildcards.tile),
    shell:
        "python -m {params.step} --tile {wildcards.tile} --patches {input.patches:q}"
        " --reference-maps {input.reference_maps:q} --shards {input.shards:q}"
        " --cut {params.cut:q} --threads {threads} --out {output.digest:q}"
        " --out-patches {output.patches:q} --out-reference-maps {output.reference_maps:q}"
        " 2> {log:q}"


rule audit:
    """Write the manifest, the checksums and the Workflow Run RO-Crate of the build."""
    input:
        made=due("audit"),
        settled=after_clip,
        tiles=of_tiles(RESULTS.tile_digest),
        metadata=RESULTS.metadata,
        funnel=RESULTS.funnel,
        lmdb=RESULTS.lmdb_data,
    output:
        manifest=RESULTS.manifest,
        patch_hashes=RESULTS.hashes("patches"),
        reference_maps_hashes=RESULTS.hashes("reference_maps"),
        crate=RESULTS.crate,
        record=record("audit"),
    log:
        RESULTS.log("audit"),
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        mem_mb=2000,  # 1.2 GB measured, full-size tile: the mapped LMDB
        runtime=growing(120),  # reads the LMDB twice
    params:
        step=step("audit"),
        results=results_root,
        config=lambda wildcards: CONFIG_JSON,  # as text, its braces would be wildcards
        snakemake=SNAKEMAKE_VERSION,
    shell:
        "python -m {params.step} --results {params.results:q} --config {params.config:q}"
        " --snakemake {params.snakemake} 2> {log:q}"
