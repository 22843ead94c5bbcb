"""The dataset for others: archives in the published layout, and catalogue entries.

Targets of their own, `snakemake ... archive catalogue`: a build is whole without them.
"""

METADATA_TABLES = [
    f"{RESULTS}/dataset/metadata.parquet",
    f"{RESULTS}/dataset/metadata_for_patches_with_snow_cloud_or_shadow.parquet",
]


rule archive:
    """Pack the GeoTIFFs of the dataset, without a second copy on disk."""
    input:
        settled=after_clip,
        metadata=METADATA_TABLES,
        patches=of_tiles(f"{RESULTS}/patches/{{tile}}"),
        reference_maps=of_tiles(f"{RESULTS}/reference_maps/{{tile}}"),
        pairs=SENTINEL1_TABLES,
        sentinel1=at_hand(config["sentinel1"]["root"]),
    output:
        directory(f"{RESULTS}/archives"),
    log:
        f"{LOGS}/archive.log",
    conda:
        "../../envs/publish.yaml"
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,  # 7 million files in the whole of v2
    params:
        results=lambda wildcards, output: Path(output[0]).parent,
        sentinel1=lambda wildcards, input: options(
            s1=input.sentinel1 or None,
            pairs=ALL_SENTINEL1_TABLES if input.sentinel1 else None,
        ),
        code=code_version("publish.archives"),
        environment=environment_version("publish"),
    shell:
        "python -m reben.publish.archives --metadata {input.metadata:q}"
        " --s2 {params.results:q}/patches --reference-maps {params.results:q}/reference_maps"
        " {params.sentinel1} --threads {threads} --out {output:q} 2> {log:q}"


rule catalogue:
    """Describe the dataset: STAC, Croissant, GeoParquet and a card."""
    input:
        settled=after_clip,
        tables=BUILD_TABLES,
        patch_tables=PATCH_TABLES,
        nomenclature=config["labels"]["nomenclature"],
    output:
        f"{RESULTS}/dataset/collection.json",
        f"{RESULTS}/dataset/items.parquet",
        f"{RESULTS}/dataset/croissant.json",
        f"{RESULTS}/dataset/README.md",
        f"{RESULTS}/dataset/metadata_footprints.parquet",
    log:
        f"{LOGS}/catalogue.log",
    conda:
        "../../envs/publish.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,  # see tests/benchmarks
        runtime=60,
    params:
        results=lambda wildcards, output: Path(output[0]).parents[1],
        facts=options(**config["dataset"]),
        text=data_version("publish/card.md"),
        code=code_version("publish"),
        environment=environment_version("publish"),
    shell:
        "python -m reben.publish --results {params.results:q} {params.facts}"
        " --nomenclature {input.nomenclature:q} --out {params.results:q}/dataset 2> {log:q}"
