SHARDS = [f"{RESULTS}/encoded/{kind}/{{tile}}.lmdb" for kind in KINDS if shards(kind)]


rule digest_tile:
    """Digest all that was made of a tile."""
    input:
        settled=after_clip,
        patches=f"{RESULTS}/patches/{{tile}}",
        reference_maps=f"{RESULTS}/reference_maps/{{tile}}",
        shards=SHARDS,
    output:
        digest=f"{RESULTS}/audit/tiles/{{tile}}.json",
        patches=f"{RESULTS}/audit/tiles/{{tile}}.patches.csv",
        reference_maps=f"{RESULTS}/audit/tiles/{{tile}}.reference_maps.csv",
    log:
        f"{LOGS}/digest_tile/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        # 1.5 GB seen, full-size tile: the shard, mapped. A cgroup would give it back.
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,  # 100,000 files, 4 GB
    params:
        product=product_at_hand,
        out=lambda wildcards, output: Path(output.digest).parent,
        code=code_version("audit.digests"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.audit.digests --tile {wildcards.tile} --patches {input.patches:q}"
        " --reference-maps {input.reference_maps:q} --shards {input.shards:q}"
        " {params.product} --threads {threads} --out {params.out:q} 2> {log:q}"


rule audit:
    """Write the manifest, the checksums and the Workflow Run RO-Crate of the build."""
    input:
        settled=after_clip,
        tiles=of_tiles(f"{RESULTS}/audit/tiles/{{tile}}.json"),
        metadata=f"{RESULTS}/dataset/metadata.parquet",
        funnel=f"{RESULTS}/dataset/funnel.csv",
        lmdb=f"{RESULTS}/dataset/BigEarthNet.lmdb",
    output:
        manifest=f"{RESULTS}/audit/manifest.json",
        patch_hashes=f"{RESULTS}/audit/patch_hashes.csv",
        reference_maps_hashes=f"{RESULTS}/audit/reference_maps_hashes.csv",
        crate=f"{RESULTS}/audit/ro-crate-metadata.json",
    log:
        f"{LOGS}/audit.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=lambda wildcards, attempt: 120 * attempt,  # reads the LMDB twice
    params:
        results=lambda wildcards, output: Path(output.manifest).parents[1],
        config=CONFIG_JSON,
        snakemake=SNAKEMAKE_VERSION,
        code=code_version("audit"),
        environment=environment_version("audit"),
    shell:
        "python -m reben.audit --results {params.results:q} --config {params.config:q}"
        " --snakemake {params.snakemake} 2> {log:q}"
