"""Tables of the patches of all tiles, and which patches are in the dataset.

In: the tables of the tiles, country outlines, the v1 pairs and lists. Out: ``tables/*.parquet``
and, in ``dataset/``, the metadata tables, ``class_counts.csv``, ``funnel.csv``, ``quality.csv``.

Each takes seconds, so they run where Snakemake runs.
"""

ALIGN_PATCHES = given(ALIGNED, ["align_patches"])
PAIR_SENTINEL1 = given(SENTINEL1, [PAIRS])
#: Whether a patch must have a pair.
NEEDS_PAIR = SENTINEL1 and config["sentinel1"]["missing"] == "drop"

#: Lists say what is obscured.
LISTS = any(config["snow_cloud"][key] for key in ("seasonal_snow", "cloud_or_shadow"))


of_all = partial(made_from, environment="tables", per_tile=False)
of_all(
    "align_patches",
    step="alignment",
    sources=lambda _: source("alignment.pairs"),
    after=["make_patches"],
)
of_all(
    "flag_snow_cloud",
    step="snow_cloud",
    options={"scl_cover_fraction": config["snow_cloud"]["scl_cover_fraction"]},
    sources=lambda _: {
        **source("snow_cloud.seasonal_snow"),
        **source("snow_cloud.cloud_or_shadow"),
        **(source("alignment.pairs") if LISTS else {}),
    },
    after=["make_patches", *ALIGN_PATCHES],
)
of_all(
    "select_patches",
    step="selection",
    after=[
        *("make_patches", "label_patches"),
        *ALIGN_PATCHES,
        *given(NEEDS_PAIR, [PAIRS]),
    ],
)
of_all(
    "build_metadata",
    step="metadata",
    sources=lambda _: source("labels.nomenclature"),
    after=[
        *("select_patches", "label_patches", "assign_split", "flag_snow_cloud"),
        *given(COUNTRIES, ["assign_country"]),
        *ALIGN_PATCHES,
        *PAIR_SENTINEL1,
    ],
)
of_all(
    "count_funnel",
    step="funnel",
    options={
        "patch_side_m": config["patches"]["side_m"],
        "harmonise_offset": config["patches"]["harmonise_offset"],
    },
    after=["check_quality", "select_patches", "build_metadata"],
)
made_from(
    "assign_country",
    step="countries",
    environment="vector",
    per_tile=False,
    options={
        "layer": config["countries"]["layer"],
        "name_column": config["countries"]["name_column"],
        "names": sorted(config["countries"]["names"]),
    },
    sources=lambda _: source("countries.path"),
    after=["make_patches"],
)


rule assign_country:
    """Find the nearest country of each patch."""
    input:
        made=due("assign_country"),
        patches=of_tiles(RESULTS.patch_table),
    output:
        table=RESULTS.countries,
        record=record("assign_country"),
    log:
        RESULTS.log("assign_country"),
    localrule: True
    conda:
        "../../envs/vector.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        step=step("assign_country"),
        patches=every(RESULTS.patch_table),
        countries=config["countries"]["path"],
    shell:
        "python -m {params.step} --patches {params.patches:q}"
        " --countries {params.countries:q} --out {output.table:q} 2> {log:q}"


rule align_patches:
    """Find the row of each patch in BigEarthNet v1."""
    input:
        made=due("align_patches"),
        patches=of_tiles(RESULTS.patch_table),
    output:
        table=RESULTS.alignment,
        record=record("align_patches"),
    log:
        RESULTS.log("align_patches"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        step=step("align_patches"),
        patches=every(RESULTS.patch_table),
        pairs=config["alignment"]["pairs"],
    shell:
        "python -m {params.step} --patches {params.patches:q} --pairs {params.pairs:q}"
        " --out {output.table:q} 2> {log:q}"


rule flag_snow_cloud:
    """Flag patches with seasonal snow, and with cloud or shadow."""
    input:
        made=due("flag_snow_cloud"),
        patches=of_tiles(RESULTS.patch_table),
        alignment=given(ALIGNED, RESULTS.alignment),
    output:
        table=RESULTS.snow_cloud,
        record=record("flag_snow_cloud"),
    log:
        RESULTS.log("flag_snow_cloud"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        step=step("flag_snow_cloud"),
        patches=every(RESULTS.patch_table),
        evidence=options(
            alignment=given(ALIGNED, RESULTS.alignment),
            pairs=given(LISTS, config["alignment"]["pairs"]),
            seasonal_snow=config["snow_cloud"]["seasonal_snow"],
            cloud_or_shadow=config["snow_cloud"]["cloud_or_shadow"],
        ),
    shell:
        "python -m {params.step} --patches {params.patches:q} {params.evidence}"
        " --out {output.table:q} 2> {log:q}"


rule select_patches:
    """Decide which patches are in the dataset, and note why the others are not."""
    input:
        made=due("select_patches"),
        settled=after_clip,
        patches=of_tiles(RESULTS.patch_table),
        labels=of_tiles(RESULTS.labels),
        alignment=given(ALIGNED, RESULTS.alignment),
        sentinel1=given(NEEDS_PAIR, of_tiles(RESULTS.sentinel1)),
    output:
        table=RESULTS.selection,
        record=record("select_patches"),
    log:
        RESULTS.log("select_patches"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        step=step("select_patches"),
        patches=every(RESULTS.patch_table),
        labels=every(RESULTS.labels),
        required=options(
            alignment=given(ALIGNED, RESULTS.alignment),
            sentinel1=given(NEEDS_PAIR, every(RESULTS.sentinel1)),
        ),
    shell:
        "python -m {params.step} --patches {params.patches:q} --labels {params.labels:q}"
        " {params.required} --out {output.table:q} 2> {log:q}"


rule build_metadata:
    """Build the two metadata tables and the class counts."""
    input:
        made=due("build_metadata"),
        settled=after_clip,
        selection=RESULTS.selection,
        labels=of_tiles(RESULTS.labels),
        split=of_tiles(RESULTS.split),
        snow_cloud=RESULTS.snow_cloud,
        countries=given(COUNTRIES, RESULTS.countries),
        alignment=given(ALIGNED, RESULTS.alignment),
        sentinel1=given(SENTINEL1, of_tiles(RESULTS.sentinel1)),
    output:
        metadata=RESULTS.metadata,
        obscured=RESULTS.obscured,
        class_counts=report(
            RESULTS.class_counts,
            caption="../report/class_counts.rst",
            category="Dataset",
            labels={"what": "classes by split"},
        ),
        record=record("build_metadata"),
    log:
        RESULTS.log("build_metadata"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        step=step("build_metadata"),
        labels=every(RESULTS.labels),
        split=every(RESULTS.split),
        nomenclature=config["labels"]["nomenclature"],
        optional=options(
            countries=given(COUNTRIES, RESULTS.countries),
            alignment=given(ALIGNED, RESULTS.alignment),
            sentinel1=given(SENTINEL1, every(RESULTS.sentinel1)),
        ),
    shell:
        "python -m {params.step} --selection {input.selection:q} --labels {params.labels:q}"
        " --split {params.split:q} --snow-cloud {input.snow_cloud:q}"
        " --nomenclature {params.nomenclature:q} {params.optional}"
        " --clear {output.metadata:q} --obscured {output.obscured:q}"
        " --class-counts {output.class_counts:q} 2> {log:q}"


rule count_funnel:
    """Count what became of every product and every patch."""
    input:
        made=due("count_funnel"),
        settled=after_clip,
        quality=of_tiles(RESULTS.verdict),
        selection=RESULTS.selection,
        obscured=RESULTS.obscured,
    output:
        quality=report(
            RESULTS.quality,
            caption="../report/quality.rst",
            category="Products",
            labels={"what": "verdicts"},
        ),
        funnel=report(
            RESULTS.funnel,
            caption="../report/funnel.rst",
            category="Dataset",
            labels={"what": "funnel"},
        ),
        record=record("count_funnel"),
    log:
        RESULTS.log("count_funnel"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        step=step("count_funnel"),
        quality=every(RESULTS.verdict),
    shell:
        "python -m {params.step} --quality {params.quality:q} --selection {input.selection:q}"
        " --obscured {input.obscured:q}"
        " --out-quality {output.quality:q} --out-funnel {output.funnel:q} 2> {log:q}"
