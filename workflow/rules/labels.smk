checkpoint clip_corine:
    """Give every tile its CORINE polygons; a tile whose polygons are unchanged keeps its file."""

    # A checkpoint, because only its result tells which clips changed: the files are named
    # after their content, and the manifest says which tile has which.
    input:
        corine=at_hand(config["corine"]["path"]),
        quality=of_tiles(f"{RESULTS}/quality/{{tile}}.json"),
    output:
        manifest=f"{RESULTS}/corine/manifest.json",
    log:
        f"{LOGS}/clip_corine.log",
    conda:
        "../../envs/vector.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,  # 0.2 GB seen; coasts are larger
        runtime=lambda wildcards, attempt: 60 * attempt,  # 1-2 s a tile seen
    params:
        quality=ALL_VERDICTS,
        layer=options(
            layer=config["corine"]["layer"],
            code_column=config["corine"]["code_column"],
        ),
        release=config["corine"]["release"],
        code=code_version("corine"),
        environment=environment_version("vector"),
    shell:
        "python -m reben.corine --corine {input.corine:q} {params.layer}"
        " --quality {params.quality:q} --manifest {output.manifest:q} 2> {log:q}"


rule make_reference_maps:
    """Rasterise a tile's polygons at 10 m and count the pixels of every code in every patch."""
    input:
        clip=clip_of,
        patches=f"{TABLES}/patches/{{tile}}.parquet",
    output:
        folder=directory(f"{RESULTS}/reference_maps/{{tile}}"),
        table=f"{TABLES}/code_counts/{{tile}}.parquet",
    log:
        f"{LOGS}/make_reference_maps/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,  # 0.75 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 15 * attempt,  # 6-18 s seen
    params:
        container=config["patches"]["container"],
        code=code_version("reference_maps"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.reference_maps --tile {wildcards.tile} --clip {input.clip:q}"
        " --patches {input.patches:q} --container {params.container} --threads {threads}"
        " --out {output.folder:q} --table {output.table:q} 2> {log:q}"


rule label_patches:
    """Label all patches with the classes present in their reference maps."""
    input:
        settled=after_clip,
        code_counts=of_tiles(f"{TABLES}/code_counts/{{tile}}.parquet"),
        nomenclature=config["labels"]["nomenclature"],
    output:
        f"{TABLES}/labels.parquet",
    log:
        f"{LOGS}/label_patches.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code_counts=f"{TABLES}/code_counts/*.parquet",
        min_labelled_fraction=config["labels"]["min_labelled_fraction"],
        threshold=config["labels"]["threshold"],
        code=code_version("labels"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.labels --code-counts {params.code_counts:q}"
        " --nomenclature {input.nomenclature:q}"
        " --min-labelled-fraction {params.min_labelled_fraction}"
        " --threshold {params.threshold} --out {output:q} 2> {log:q}"
