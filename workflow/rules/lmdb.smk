"""GeoTIFFs to one LMDB, by way of a shard for each tile and kind of data.

Imagery, Sentinel-1 and reference maps have shards of their own, with all valid patches:
a new CORINE release or another threshold encodes no imagery again.
"""

rule encode_sentinel2:
    """Encode the Sentinel-2 patches of a tile."""
    input:
        verdict=verdict_of,
        root=f"{RESULTS}/patches/{{tile}}",
        table=f"{TABLES}/patches/{{tile}}.parquet",
    output:
        directory(f"{RESULTS}/encoded/s2/{{tile}}.lmdb"),
    log:
        f"{LOGS}/encode_sentinel2/{{tile}}.log",
    params:
        side_m=config["patches"]["side_m"],
        code=code_version("encode"),
        environment=environment_version("raster"),
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../../envs/raster.yaml"
    shell:
        "python -m reben.encode --layers s2 --root {input.root:q} --table {input.table:q}"
        " --patch-m {params.side_m}"
        " --threads {threads} --out {output:q} 2> {log:q}"


rule encode_sentinel1:
    """Encode the Sentinel-1 patches of a tile."""
    input:
        settled=after_checkpoints,
        root=at_hand(config["sentinel1"]["root"]),
        table=f"{TABLES}/sentinel1/{{tile}}.parquet",
    output:
        directory(f"{RESULTS}/encoded/s1/{{tile}}.lmdb"),
    log:
        f"{LOGS}/encode_sentinel1/{{tile}}.log",
    params:
        side_m=config["patches"]["side_m"],
        code=code_version("encode"),
        environment=environment_version("raster"),
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../../envs/raster.yaml"
    shell:
        "python -m reben.encode --layers s1 --root {input.root:q} --table {input.table:q}"
        " --patch-m {params.side_m}"
        " --threads {threads} --out {output:q} 2> {log:q}"


rule encode_reference_maps:
    """Encode the reference maps of a tile."""
    input:
        settled=after_checkpoints,
        root=f"{RESULTS}/reference_maps/{{tile}}",
    output:
        directory(f"{RESULTS}/encoded/reference_maps/{{tile}}.lmdb"),
    log:
        f"{LOGS}/encode_reference_maps/{{tile}}.log",
    params:
        side_m=config["patches"]["side_m"],
        code=code_version("encode"),
        environment=environment_version("raster"),
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../../envs/raster.yaml"
    shell:
        "python -m reben.encode --layers reference_maps --root {input.root:q}"
        " --patch-m {params.side_m}"
        " --threads {threads} --out {output:q} 2> {log:q}"


rule build_lmdb:
    """Copy the kept patches from the shards into one LMDB.

    It depends on what is kept, not on the metadata: another split, country or flag leaves
    the LMDB as it is.
    """
    input:
        settled=after_checkpoints,
        selection=f"{TABLES}/selection.parquet",
        pairs=given(shards("s1"), of_tiles(f"{TABLES}/sentinel1/{{tile}}.parquet")),
        s2=shards("s2"),
        s1=shards("s1"),
        reference_maps=shards("reference_maps"),
    output:
        directory(f"{RESULTS}/dataset/BigEarthNet.lmdb"),
    log:
        f"{LOGS}/build_lmdb.log",
    params:
        shards=lambda wildcards, input: options(
            pairs=input.pairs or None,
            s2=input.s2 or None,
            s1=input.s1 or None,
            reference_maps=input.reference_maps or None,
        ),
        code=code_version("build_lmdb"),
        environment=environment_version("raster"),
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    conda:
        "../../envs/raster.yaml"
    shell:
        "python -m reben.build_lmdb --selection {input.selection:q} {params.shards}"
        " --out {output:q} 2> {log:q}"
