"""The dataset for publication: archives in the published layout, and catalogue entries.

In: a finished build. Out: ``archives/``; catalogue entries (``collection.json``,
``items.parquet``, ``croissant.json``, ``README.md``, ``footprints.parquet``) in ``archives/`` and
``dataset/``. Separate targets, `snakemake ... archive catalogue`: a build is complete without them.
"""

#: What the card says of Sentinel-1 patches that were cut here.
CUT_FROM = ", ".join(
    ["cut from scenes", *filter(None, [config["sentinel1"]["backscatter"]])]
)
#: What the descriptions of a published folder are made from.
DESCRIPTION = {
    **config["dataset"],
    "land_cover": land_cover.release(config),
    "sentinel1": CUT_FROM if SCENES else None,
}

#: Files that describe a published folder.
CATALOGUE = {
    "collection": RESULTS.collection,
    "stac_items": RESULTS.items,
    "croissant": RESULTS.croissant,
    "card": RESULTS.card,
    "footprints": RESULTS.footprints,
}

made_from(
    "pack_archives",
    step="publish.archives",
    environment="publish",
    per_tile=False,
    after=[
        *("build_metadata", "make_patches", "make_reference_maps"),
        # The packed images are those that were encoded.
        *given(SENTINEL1, [PAIRS, "encode_sentinel1"]),
    ],
)
described = partial(
    made_from,
    step="publish",
    environment="publish",
    per_tile=False,
    settings=lambda _: {"text": data_version("publish/templates")},
    sources=lambda _: {**source("labels.nomenclature"), **source("land_cover.legend")},
)
described(
    "catalogue",
    options=DESCRIPTION | {"lmdb": KINDS},
    after=[*TABLE_RULES, "build_lmdb"],
)
described("archive", options=DESCRIPTION, after=[*TABLE_RULES, "pack_archives"])


rule pack_archives:
    """Pack the GeoTIFFs of the dataset, without a second copy on disk."""
    input:
        made=due("pack_archives"),
        settled=after_clip,
        metadata=[RESULTS.metadata, RESULTS.obscured],
        patches=of_tiles(RESULTS.patches),
        reference_maps=of_tiles(RESULTS.reference_maps),
        pairs=given(SENTINEL1, of_tiles(RESULTS.sentinel1)),
        cut_sentinel1=given(SCENES, of_tiles(RESULTS.cut_sentinel1)),
        shards=given(SENTINEL1, [RESULTS.shard("s1", tile) for tile in TILES]),
    output:
        # Not the folder: Snakemake would put a file of its own into it.
        archives=[RESULTS.archive(kind) for kind in PACKED],
        checksums=RESULTS.archive_checksums,
        record=record("pack_archives"),
    log:
        RESULTS.log("pack_archives"),
    conda:
        "../../envs/publish.yaml"
    threads: 8
    resources:
        mem_mb=growing(2000),
        runtime=growing(720),  # 7 million files in all of v2
    params:
        step=step("pack_archives"),
        results=results_root,
        sentinel1=options(
            s1=SENTINEL1_ROOT,
            pairs=given(SENTINEL1, every(RESULTS.sentinel1)),
        ),
    shell:
        "python -m {params.step} --metadata {input.metadata:q}"
        " --s2 {params.results:q}/patches --reference-maps {params.results:q}/reference_maps"
        " {params.sentinel1} --threads {threads} --out {params.results:q}/archives 2> {log:q}"


rule catalogue:
    """Describe the dataset folder: STAC, Croissant, GeoParquet and a card."""
    input:
        made=due("catalogue"),
        settled=after_clip,
        tables=BUILD_TABLES,
        images=RESULTS.lmdb_data,
    output:
        **CATALOGUE,
        record=record("catalogue"),
    log:
        RESULTS.log("catalogue"),
    conda:
        "../../envs/publish.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),  # see tests/benchmarks
        runtime=growing(60),  # digests the LMDB
    params:
        step=step("catalogue"),
        results=results_root,
        nomenclature=config["labels"]["nomenclature"],
        folder=lambda wildcards, output: os.path.dirname(output.card),
    shell:
        "python -m {params.step} --results {params.results:q}"
        " --nomenclature {params.nomenclature:q} --out {params.folder:q} 2> {log:q}"


use rule catalogue as archive with:
    """Pack the dataset, and describe the archives in the same way."""
    input:
        made=due("archive"),
        settled=after_clip,
        tables=BUILD_TABLES,
        images=rules.pack_archives.output.archives,
    output:
        **{name: RESULTS.archives / Path(path).name for name, path in CATALOGUE.items()},
        record=record("archive"),
    log:
        RESULTS.log("archive"),
    params:
        step=step("archive"),
        results=results_root,
        nomenclature=config["labels"]["nomenclature"],
        folder=lambda wildcards, output: os.path.dirname(output.card),
