"""Views of the dataset: a picture, and pages for a browser.

In: the tables of a finished build, its GeoTIFFs, the audit. Out: ``dataset/overview.png``,
``report/``. Separate targets.
"""

from reben.runtime.code_version import data_version

#: Rules that make the tables behind every view of a finished build.
TABLE_RULES = [
    *("make_patches", "label_patches", "assign_split", "select_patches"),
    *("build_metadata", "count_funnel"),
]
#: The final tables; earlier ones are made with them.
BUILD_TABLES = [
    *(RESULTS.quality, RESULTS.funnel, RESULTS.class_counts, RESULTS.metadata),
    *(RESULTS.obscured, RESULTS.selection),
    *of_tiles(RESULTS.labels),
    *of_tiles(RESULTS.split),
    *of_tiles(RESULTS.patch_table),
]

made_from(
    "draw_overview",
    step="overview",
    environment="report",
    per_tile=False,
    sources=lambda _: {**source("labels.nomenclature"), **source("land_cover.legend")},
    after=[*TABLE_RULES, "make_reference_maps"],
)
made_from(
    "report",
    step="report",
    environment="report",
    per_tile=False,
    options={
        **config["dataset"],
        **config["report"],
        "land_cover": land_cover.release(config),
        "files": linked_files(),
        "countries_layer": given(COUNTRIES, config["countries"]["layer"]),
        "name_column": given(COUNTRIES, config["countries"]["name_column"]),
    },
    settings=lambda _: {
        "templates": data_version("report/templates"),
        "text": data_version("publish/templates"),
        "outlines": data_version("outlines", HOME / "resources"),
    },
    sources=lambda _: {
        **source("labels.nomenclature"),
        **source("land_cover.legend"),
        **source("countries.path"),
    },
    after=[*TABLE_RULES, "make_reference_maps", *PAIR_SENTINEL1, "audit"],
)


rule draw_overview:
    """Draw all tiles with the fate of their patches, and a few patches."""
    input:
        made=due("draw_overview"),
        settled=after_clip,
        tables=BUILD_TABLES,
        patches=of_tiles(RESULTS.patches),
        reference_maps=of_tiles(RESULTS.reference_maps),
    output:
        picture=report(
            RESULTS.overview,
            caption="../report/overview.rst",
            category="Dataset",
            labels={"what": "overview"},
        ),
        record=record("draw_overview"),
    log:
        RESULTS.log("draw_overview"),
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        step=step("draw_overview"),
        results=results_root,
        nomenclature=config["labels"]["nomenclature"],
    shell:
        "python -m {params.step} --results {params.results:q}"
        " --nomenclature {params.nomenclature:q} --out {output.picture:q} 2> {log:q}"


rule report:
    """Write the pages of the dataset and of its tiles; `snakemake ... report` makes them."""
    input:
        made=due("report"),
        settled=after_clip,
        tables=BUILD_TABLES,
        code_counts=of_tiles(RESULTS.code_counts),
        patches=of_tiles(RESULTS.patches),
        reference_maps=of_tiles(RESULTS.reference_maps),
        linked=[path for rule in sorted(ASKED_FOR) for path in SHARED[rule]],
        sentinel1=given(SENTINEL1, of_tiles(RESULTS.sentinel1)),
        cut_sentinel1=given(SCENES, of_tiles(RESULTS.cut_sentinel1)),
        manifest=RESULTS.manifest,
    output:
        pages=directory(RESULTS.report),
        record=record("report"),
    log:
        RESULTS.log("report"),
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),  # see tests/benchmarks
        runtime=30,
    params:
        step=step("report"),
        results=results_root,
        nomenclature=config["labels"]["nomenclature"],
        inputs=options(
            countries=config["countries"]["path"],
            sentinel1=SENTINEL1_ROOT,
        ),
    shell:
        "python -m {params.step} --results {params.results:q} {params.inputs}"
        " --manifest {input.manifest:q} --nomenclature {params.nomenclature:q}"
        " --out {output.pages:q} 2> {log:q}"
