rule index_sentinel1:
    """Find all Sentinel-1 patches below the root, once for all tiles."""
    input:
        root=at_hand(config["sentinel1"]["root"]),
    output:
        f"{TABLES}/sentinel1_index.parquet",
    log:
        f"{LOGS}/index_sentinel1.log",
    conda:
        "../../envs/raster.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,  # 0.2 GB seen, one tile
        runtime=lambda wildcards, attempt: 60 * attempt,  # 2 s seen, one tile: 8,281 folders
    params:
        code=code_version("sentinel1"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.sentinel1 index --root {input.root:q} --out {output:q} 2> {log:q}"


rule pair_sentinel1:
    """Find and check the Sentinel-1 patch of every valid patch of a tile."""
    input:
        root=at_hand(config["sentinel1"]["root"]),
        index=f"{TABLES}/sentinel1_index.parquet",
        patches=f"{TABLES}/patches/{{tile}}.parquet",
        alignment=given(ALIGNED, f"{TABLES}/alignment.parquet"),
    output:
        f"{TABLES}/sentinel1/{{tile}}.parquet",
    log:
        f"{LOGS}/pair_sentinel1/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,  # 0.3 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 15 * attempt,  # 3 s seen
    params:
        alignment=lambda wildcards, input: options(alignment=input.alignment or None),
        code=code_version("sentinel1"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.sentinel1 pair --root {input.root:q} --index {input.index:q}"
        " --patches {input.patches:q} {params.alignment} --threads {threads}"
        " --out {output:q} 2> {log:q}"
