"""Land cover: from polygons or raster maps to reference maps, and from these to labels.

In: land cover, the verdicts and patches of the tiles, a nomenclature. Out: ``land_cover/``,
``reference_maps/{tile}``, ``tables/code_counts/{tile}.parquet``, ``tables/labels/{tile}.parquet``.

After an update of the land cover one pass clips it for all tiles; only tiles whose land cover
changed are labelled again.
"""

CLIPPED = {
    "environment": "raster",
    "per_tile": False,
    "after": ["check_quality"],
    "found": lost_clips,
}
if land_cover.is_raster(config):
    LAND_COVER = {
        "files": list(land_cover.patterns(config).values()),
        "legend": config["land_cover"]["legend"],
    }
    made_from(
        "clip_land_cover",
        step="land_cover_map",
        options={
            "nodata": config["land_cover"]["nodata"],
            "year": land_cover.map_year(config),
        },
        sources=lambda _: land_cover_maps(),
        **CLIPPED,
    )
else:
    LAND_COVER = {"corine": config["corine"]["path"]}
    made_from(
        "clip_land_cover",
        step="corine",
        options={
            "layer": config["corine"]["layer"],
            "code_column": config["corine"]["code_column"],
        },
        sources=lambda _: source("corine.path"),
        **CLIPPED,
    )

made_from(
    "make_reference_maps",
    step="reference_maps",
    environment="raster",
    options={"container": config["patches"]["container"]},
    settings=lambda tile: {"clip": clip_name(tile)},
    after=["make_patches"],
)
made_from(
    "label_patches",
    step="labels",
    environment="tables",
    options={
        "min_labelled_fraction": config["labels"]["min_labelled_fraction"],
        "threshold": config["labels"]["threshold"],
    },
    sources=lambda tile: source("labels.nomenclature"),
    after=["make_reference_maps"],
)


checkpoint clip_land_cover:
    """Clip the land cover of every tile; a tile with unchanged land cover keeps its file."""

    # A checkpoint, because only its result shows which clips changed: the files are named
    # after their content, and the manifest assigns them to tiles.
    input:
        made=due("clip_land_cover"),
        quality=of_tiles(RESULTS.verdict),
    output:
        manifest=RESULTS.clip_manifest,
        record=record("clip_land_cover"),
    log:
        RESULTS.log("clip_land_cover"),
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),  # see tests/benchmarks; coasts of polygons are larger
        runtime=growing(60),  # 1-6 s per tile measured
    params:
        step=step("clip_land_cover"),
        land_cover=options(**LAND_COVER),
        quality=every(RESULTS.verdict),
    shell:
        "python -m {params.step} {params.land_cover} --quality {params.quality:q}"
        " --threads {threads} --manifest {output.manifest:q} 2> {log:q}"


rule make_reference_maps:
    """Write a tile's land cover at 10 m and count the pixels of each code in each patch."""
    input:
        made=due("make_reference_maps"),
        clip=clip_of,
        patches=RESULTS.patch_table("{tile}"),
    output:
        folder=directory(RESULTS.reference_maps("{tile}")),
        table=RESULTS.code_counts("{tile}"),
        record=record("make_reference_maps"),
    log:
        RESULTS.log("make_reference_maps", "{tile}"),
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),  # 0.75 GB measured, full-size tile
        runtime=growing(15),  # 6-18 s measured
    params:
        step=step("make_reference_maps"),
    shell:
        "python -m {params.step} --tile {wildcards.tile} --clip {input.clip:q}"
        " --patches {input.patches:q} --threads {threads}"
        " --out {output.folder:q} --table {output.table:q} 2> {log:q}"


rule label_patches:
    """Label the patches of a tile with the classes present in their reference maps."""
    input:
        made=due("label_patches"),
        settled=after_clip,
        code_counts=RESULTS.code_counts("{tile}"),
    output:
        table=RESULTS.labels("{tile}"),
        record=record("label_patches"),
    log:
        RESULTS.log("label_patches", "{tile}"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        step=step("label_patches"),
        nomenclature=config["labels"]["nomenclature"],
    shell:
        "python -m {params.step} --code-counts {input.code_counts:q}"
        " --nomenclature {params.nomenclature:q} --out {output.table:q} 2> {log:q}"
