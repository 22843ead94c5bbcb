"""GeoTIFFs to one LMDB, by way of a shard for each tile and kind of data.

Imagery, Sentinel-1 and reference maps have shards of their own, with all valid patches:
a new CORINE release or another threshold encodes no imagery again.
"""


rule encode_sentinel2:
    """Encode the Sentinel-2 patches of a tile."""
    input:
        root=f"{RESULTS}/patches/{{tile}}",
        table=f"{TABLES}/patches/{{tile}}.parquet",
    output:
        directory(f"{RESULTS}/encoded/s2/{{tile}}.lmdb"),
    log:
        f"{LOGS}/encode_sentinel2/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,  # 0.35 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 15 * attempt,  # 11 s seen
    params:
        side_m=config["patches"]["side_m"],
        code=code_version("encode"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.encode --layers s2 --root {input.root:q} --table {input.table:q}"
        " --patch-m {params.side_m}"
        " --threads {threads} --out {output:q} 2> {log:q}"


rule encode_sentinel1:
    """Encode the Sentinel-1 patches of a tile."""
    input:
        root=at_hand(config["sentinel1"]["root"]),
        table=f"{TABLES}/sentinel1/{{tile}}.parquet",
    output:
        directory(f"{RESULTS}/encoded/s1/{{tile}}.lmdb"),
    log:
        f"{LOGS}/encode_sentinel1/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,  # 0.26 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 15 * attempt,  # 6 s seen
    params:
        side_m=config["patches"]["side_m"],
        code=code_version("encode"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.encode --layers s1 --root {input.root:q} --table {input.table:q}"
        " --patch-m {params.side_m}"
        " --threads {threads} --out {output:q} 2> {log:q}"


rule encode_reference_maps:
    """Encode the reference maps of a tile."""
    input:
        settled=after_clip,
        root=f"{RESULTS}/reference_maps/{{tile}}",
    output:
        directory(f"{RESULTS}/encoded/reference_maps/{{tile}}.lmdb"),
    log:
        f"{LOGS}/encode_reference_maps/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,  # 0.16 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 15 * attempt,  # 2.5 s seen
    params:
        side_m=config["patches"]["side_m"],
        code=code_version("encode"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.encode --layers reference_maps --root {input.root:q}"
        " --patch-m {params.side_m}"
        " --threads {threads} --out {output:q} 2> {log:q}"


rule build_lmdb:
    """Copy the kept patches from the shards into one LMDB."""

    # It depends on what is kept, not on the metadata: another split, country or flag leaves
    # the LMDB as it is.
    input:
        settled=after_clip,
        selection=f"{TABLES}/selection.parquet",
        pairs=given(shards("s1"), of_tiles(f"{TABLES}/sentinel1/{{tile}}.parquet")),
        s2=shards("s2"),
        s1=shards("s1"),
        reference_maps=shards("reference_maps"),
    output:
        directory(f"{RESULTS}/dataset/BigEarthNet.lmdb"),
    log:
        f"{LOGS}/build_lmdb.log",
    conda:
        "../../envs/raster.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,  # 0.4 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 240 * attempt,  # 10 s a tile seen
    params:
        shards=options(
            **{
                kind: f"{RESULTS}/encoded/{kind}/*.lmdb"
                for kind in KINDS
                if shards(kind)
            },
            pairs=given(shards("s1"), f"{TABLES}/sentinel1/*.parquet"),
        ),
        code=code_version("build_lmdb"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.build_lmdb --selection {input.selection:q} {params.shards}"
        " --out {output:q} 2> {log:q}"
