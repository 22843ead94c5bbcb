rule make_patches:
    """Cut a product into patches, one GeoTIFF a patch and band, and note which are valid."""
    input:
        product=l2a_product,
    output:
        folder=directory(f"{RESULTS}/patches/{{tile}}"),
        table=f"{TABLES}/patches/{{tile}}.parquet",
    log:
        f"{LOGS}/make_patches/{{tile}}.log",
    conda:
        "../../envs/raster.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,  # 0.7 GB seen, full-size tile
        runtime=lambda wildcards, attempt: 30 * attempt,  # 1-2.5 min seen on two cores
    params:
        verdict=verdict,
        side_m=config["patches"]["side_m"],
        container=config["patches"]["container"],
        harmonise_offset=options(harmonise_offset=config["patches"]["harmonise_offset"]),
        code=code_version("patches"),
        environment=environment_version("raster"),
    shell:
        "python -m reben.patches --product {input.product:q} --tile {wildcards.tile}"
        " --required $REBEN_REQUIRED --patch-m {params.side_m} {params.harmonise_offset}"
        " --container {params.container} --threads {threads}"
        " --out {output.folder:q} --table {output.table:q} 2> {log:q}"
