"""Land cover from polygons: CORINE, in the zone of each tile.

In: CORINE, the verdicts of the tiles. Out: ``land_cover/``, a clip for each tile and a manifest.
Its twin for raster maps is `land_cover_map.smk`; a build has one of the two.
"""

made_from(
    "clip_corine",
    step="corine",
    environment="raster",
    per_tile=False,
    options={
        "layer": config["corine"]["layer"],
        "code_column": config["corine"]["code_column"],
    },
    sources=lambda _: source("corine.path"),
    after=["check_quality"],
    instead_of=["clip_land_cover"],
    found=lost_clips,
)


checkpoint clip_corine:
    """Clip the CORINE polygons of every tile; a tile with unchanged polygons keeps its file."""

    # A checkpoint, because only its result shows which clips changed: the files are named
    # after their content, and the manifest assigns them to tiles.
    input:
        made=due("clip_corine"),
        quality=of_tiles(RESULTS.verdict),
    output:
        manifest=RESULTS.clip_manifest,
        record=record("clip_corine"),
    log:
        RESULTS.log("clip_corine"),
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),  # 0.2 GB measured; coasts are larger
        runtime=growing(60),  # 1-2 s per tile measured
    params:
        step=step("clip_corine"),
        corine=config["corine"]["path"],
        quality=every(RESULTS.verdict),
    shell:
        "python -m {params.step} --corine {params.corine:q} --quality {params.quality:q}"
        " --threads {threads} --manifest {output.manifest:q} 2> {log:q}"
