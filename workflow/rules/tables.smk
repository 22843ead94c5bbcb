"""Steps over the tables of all tiles: seconds each, so they run where Snakemake runs.

Its other jobs are worth one on a cluster: the tiles', and those that read a large input or
write the whole dataset (clip_corine, index_sentinel1, build_lmdb, report).
"""


localrules:
    assign_split,
    assign_country,
    align_patches,
    flag_snow_cloud,
    select_patches,
    build_metadata,
    count_funnel,
    label_patches,
    draw_overview,


PATCH_TABLES = of_tiles(f"{TABLES}/patches/{{tile}}.parquet")
SENTINEL1_TABLES = given(SENTINEL1, of_tiles(f"{TABLES}/sentinel1/{{tile}}.parquet"))
REQUIRED_SENTINEL1 = given(config["sentinel1"]["missing"] == "drop", SENTINEL1_TABLES)
# The same for a command line, which has no room for thousands of names (reben.results.tile_paths).
ALL_PATCH_TABLES = f"{TABLES}/patches/*.parquet"
ALL_SENTINEL1_TABLES = f"{TABLES}/sentinel1/*.parquet"
ALIGNMENT = given(ALIGNED, f"{TABLES}/alignment.parquet")


rule assign_split:
    """Assign train, validation and test by the place of each patch in its tile."""
    input:
        patches=PATCH_TABLES,
    output:
        f"{TABLES}/split.parquet",
    log:
        f"{LOGS}/assign_split.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        patches=ALL_PATCH_TABLES,
        p=config["split"]["p"],
        q=config["split"]["q"],
        code=code_version("split"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.split --patches {params.patches:q} --p {params.p} --q {params.q}"
        " --out {output:q} 2> {log:q}"


rule assign_country:
    """Find the nearest country of each patch."""
    input:
        patches=PATCH_TABLES,
        countries=at_hand(config["countries"]["path"]),
    output:
        f"{TABLES}/countries.parquet",
    log:
        f"{LOGS}/assign_country.log",
    conda:
        "../../envs/vector.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        patches=ALL_PATCH_TABLES,
        choice=options(
            name_column=config["countries"]["name_column"],
            names=sorted(config["countries"]["names"]),
        ),
        code=code_version("countries"),
        environment=environment_version("vector"),
    shell:
        "python -m reben.countries --patches {params.patches:q}"
        " --countries {input.countries:q} {params.choice} --out {output:q} 2> {log:q}"


rule align_patches:
    """Find the row of BigEarthNet v1 that each patch is."""
    input:
        patches=PATCH_TABLES,
        pairs=at_hand(config["alignment"]["pairs"]),
    output:
        f"{TABLES}/alignment.parquet",
    log:
        f"{LOGS}/align_patches.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        patches=ALL_PATCH_TABLES,
        code=code_version("alignment"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.alignment --patches {params.patches:q} --pairs {input.pairs:q}"
        " --out {output:q} 2> {log:q}"


rule flag_snow_cloud:
    """Flag patches with seasonal snow, and with cloud or shadow."""
    input:
        patches=PATCH_TABLES,
        alignment=ALIGNMENT,
        snow=at_hand(config["snow_cloud"]["seasonal_snow"]),
        cloud=at_hand(config["snow_cloud"]["cloud_or_shadow"]),
    output:
        f"{TABLES}/snow_cloud.parquet",
    log:
        f"{LOGS}/flag_snow_cloud.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        patches=ALL_PATCH_TABLES,
        sources=lambda wildcards, input: options(
            alignment=input.alignment or None,
            seasonal_snow=input.snow or None,
            cloud_or_shadow=input.cloud or None,
        ),
        scl_cover_fraction=config["snow_cloud"]["scl_cover_fraction"],
        code=code_version("snow_cloud"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.snow_cloud --patches {params.patches:q} {params.sources}"
        " --scl-cover-fraction {params.scl_cover_fraction} --out {output:q} 2> {log:q}"


rule select_patches:
    """Decide which patches make the dataset, and note why the others do not."""
    input:
        settled=after_clip,
        patches=PATCH_TABLES,
        labels=f"{TABLES}/labels.parquet",
        alignment=ALIGNMENT,
        sentinel1=REQUIRED_SENTINEL1,
    output:
        f"{TABLES}/selection.parquet",
    log:
        f"{LOGS}/select_patches.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        patches=ALL_PATCH_TABLES,
        required=options(
            alignment=ALIGNMENT,
            sentinel1=given(REQUIRED_SENTINEL1, ALL_SENTINEL1_TABLES),
        ),
        code=code_version("selection"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.selection --patches {params.patches:q} --labels {input.labels:q}"
        " {params.required} --out {output:q} 2> {log:q}"


rule build_metadata:
    """Build the two metadata tables and the class counts."""
    input:
        settled=after_clip,
        selection=f"{TABLES}/selection.parquet",
        labels=f"{TABLES}/labels.parquet",
        split=f"{TABLES}/split.parquet",
        snow_cloud=f"{TABLES}/snow_cloud.parquet",
        countries=given(COUNTRIES, f"{TABLES}/countries.parquet"),
        alignment=ALIGNMENT,
        sentinel1=SENTINEL1_TABLES,
        nomenclature=config["labels"]["nomenclature"],
    output:
        metadata=f"{RESULTS}/dataset/metadata.parquet",
        obscured=f"{RESULTS}/dataset/metadata_for_patches_with_snow_cloud_or_shadow.parquet",
        class_counts=report(
            f"{RESULTS}/dataset/class_counts.csv",
            caption="../report/class_counts.rst",
            category="Dataset",
            labels={"what": "classes by split"},
        ),
    log:
        f"{LOGS}/build_metadata.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        optional=options(
            countries=given(COUNTRIES, f"{TABLES}/countries.parquet"),
            alignment=ALIGNMENT,
            sentinel1=given(SENTINEL1, ALL_SENTINEL1_TABLES),
        ),
        code=code_version("metadata"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.metadata --selection {input.selection:q} --labels {input.labels:q}"
        " --split {input.split:q} --snow-cloud {input.snow_cloud:q}"
        " --nomenclature {input.nomenclature:q} {params.optional}"
        " --clear {output.metadata:q} --obscured {output.obscured:q}"
        " --class-counts {output.class_counts:q} 2> {log:q}"


rule count_funnel:
    """Count what became of every product and every patch."""
    input:
        settled=after_clip,
        quality=of_tiles(f"{RESULTS}/quality/{{tile}}.json"),
        selection=f"{TABLES}/selection.parquet",
        obscured=f"{RESULTS}/dataset/metadata_for_patches_with_snow_cloud_or_shadow.parquet",
    output:
        quality=report(
            f"{RESULTS}/dataset/quality.csv",
            caption="../report/quality.rst",
            category="Products",
            labels={"what": "verdicts"},
        ),
        funnel=report(
            f"{RESULTS}/dataset/funnel.csv",
            caption="../report/funnel.rst",
            category="Dataset",
            labels={"what": "funnel"},
        ),
    log:
        f"{LOGS}/count_funnel.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        quality=ALL_VERDICTS,
        side_m=config["patches"]["side_m"],
        harmonise_offset=options(harmonise_offset=config["patches"]["harmonise_offset"]),
        code=code_version("funnel"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.funnel --quality {params.quality:q} --selection {input.selection:q}"
        " --obscured {input.obscured:q} --patch-m {params.side_m} {params.harmonise_offset}"
        " --out-quality {output.quality:q} --out-funnel {output.funnel:q} 2> {log:q}"
