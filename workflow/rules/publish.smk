"""The dataset for publication: archives in the published layout, and catalogue entries.

In: a finished build. Out: ``archives/``; ``dataset/collection.json``, ``items.parquet``,
``croissant.json``, ``README.md``, ``metadata_footprints.parquet``. Separate targets,
`snakemake ... archive catalogue`: a build is complete without them.
"""

#: What the card says of Sentinel-1 patches that were cut here.
CUT_FROM = ", ".join(
    ["cut from scenes", *filter(None, [config["sentinel1"]["backscatter"]])]
)

made_from(
    "archive",
    step="publish.archives",
    environment="publish",
    per_tile=False,
    after=[
        *("build_metadata", "make_patches", "make_reference_maps"),
        # The packed images are those that were encoded.
        *given(SENTINEL1, [PAIRS, "encode_sentinel1"]),
    ],
)
made_from(
    "catalogue",
    step="publish",
    environment="publish",
    per_tile=False,
    options={
        **config["dataset"],
        "land_cover": land_cover.release(config),
        "sentinel1": CUT_FROM if SCENES else None,
    },
    settings=lambda _: {"text": data_version("publish/card.md")},
    sources=lambda _: {**source("labels.nomenclature"), **source("land_cover.legend")},
    after=TABLE_RULES,
)


rule archive:
    """Pack the GeoTIFFs of the dataset, without a second copy on disk."""
    input:
        made=due("archive"),
        settled=after_clip,
        metadata=[RESULTS.metadata, RESULTS.obscured],
        patches=of_tiles(RESULTS.patches),
        reference_maps=of_tiles(RESULTS.reference_maps),
        pairs=given(SENTINEL1, of_tiles(RESULTS.sentinel1)),
        shards=given(SENTINEL1, [RESULTS.shard("s1", tile) for tile in TILES]),
    output:
        folder=directory(RESULTS.archives),
        record=record("archive"),
    log:
        RESULTS.log("archive"),
    conda:
        "../../envs/publish.yaml"
    threads: 8
    resources:
        mem_mb=growing(2000),
        runtime=growing(720),  # 7 million files in all of v2
    params:
        step=step("archive"),
        results=results_root,
        sentinel1=options(
            s1=SENTINEL1_ROOT,
            pairs=given(SENTINEL1, every(RESULTS.sentinel1)),
        ),
    shell:
        "python -m {params.step} --metadata {input.metadata:q}"
        " --s2 {params.results:q}/patches --reference-maps {params.results:q}/reference_maps"
        " {params.sentinel1} --threads {threads} --out {output.folder:q} 2> {log:q}"


rule catalogue:
    """Describe the dataset: STAC, Croissant, GeoParquet and a card."""
    input:
        made=due("catalogue"),
        settled=after_clip,
        tables=BUILD_TABLES,
    output:
        collection=RESULTS.collection,
        stac_items=RESULTS.items,
        croissant=RESULTS.croissant,
        card=RESULTS.card,
        footprints=RESULTS.footprints,
        record=record("catalogue"),
    log:
        RESULTS.log("catalogue"),
    conda:
        "../../envs/publish.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),  # see tests/benchmarks
        runtime=60,
    params:
        step=step("catalogue"),
        results=results_root,
        nomenclature=config["labels"]["nomenclature"],
    shell:
        "python -m {params.step} --results {params.results:q}"
        " --nomenclature {params.nomenclature:q} --out {params.results:q}/dataset 2> {log:q}"
