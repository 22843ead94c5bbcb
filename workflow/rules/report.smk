"""The dataset to be looked at: a picture of it, and pages for a browser."""

#: The tables that every picture of a finished build is drawn from.
BUILD_TABLES = [
    f"{RESULTS}/dataset/quality.csv",
    f"{RESULTS}/dataset/funnel.csv",
    f"{RESULTS}/dataset/class_counts.csv",
    f"{RESULTS}/dataset/metadata.parquet",
    f"{RESULTS}/dataset/metadata_for_patches_with_snow_cloud_or_shadow.parquet",
    f"{TABLES}/selection.parquet",
    f"{TABLES}/labels.parquet",
    f"{TABLES}/split.parquet",
]


rule draw_overview:
    """Draw all tiles with what became of their patches, and a few patches."""
    input:
        settled=after_clip,
        tables=BUILD_TABLES,
        patches=of_tiles(f"{RESULTS}/patches/{{tile}}"),
        reference_maps=of_tiles(f"{RESULTS}/reference_maps/{{tile}}"),
        nomenclature=config["labels"]["nomenclature"],
    output:
        report(
            f"{RESULTS}/dataset/overview.png",
            caption="../report/overview.rst",
            category="Dataset",
            labels={"what": "overview"},
        ),
    log:
        f"{LOGS}/draw_overview.log",
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        results=lambda wildcards, output: Path(output[0]).parents[1],
        code=code_version("overview"),
        environment=environment_version("report"),
    shell:
        "python -m reben.overview --results {params.results:q}"
        " --nomenclature {input.nomenclature:q} --out {output:q} 2> {log:q}"


rule report:
    """Write the pages of the dataset and of its tiles; `snakemake ... report` makes them."""
    input:
        settled=after_clip,
        tables=BUILD_TABLES,
        patch_tables=PATCH_TABLES,
        patches=of_tiles(f"{RESULTS}/patches/{{tile}}"),
        reference_maps=of_tiles(f"{RESULTS}/reference_maps/{{tile}}"),
        sentinel1=SENTINEL1_TABLES,
        nomenclature=config["labels"]["nomenclature"],
        countries=at_hand(config["countries"]["path"]),
        manifest=f"{RESULTS}/audit/manifest.json",
    output:
        directory(f"{RESULTS}/report"),
    log:
        f"{LOGS}/report.log",
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,  # see tests/benchmarks
        runtime=30,
    params:
        results=lambda wildcards, output: Path(output[0]).parent,
        facts=options(
            name=config["dataset"]["name"],
            version=config["dataset"]["version"],
            sentinel1=config["sentinel1"]["root"],
            name_column=config["countries"]["name_column"] if COUNTRIES else None,
        ),
        inputs=lambda wildcards, input: options(
            countries=input.countries or None, manifest=input.manifest
        ),
        templates=data_version("report/templates"),
        code=code_version("report"),
        environment=environment_version("report"),
    shell:
        "python -m reben.report --results {params.results:q} {params.facts} {params.inputs}"
        " --nomenclature {input.nomenclature:q} --out {output:q} 2> {log:q}"
