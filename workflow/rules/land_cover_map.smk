"""Land cover from a raster map, on the 10 m grid of each tile.

In: the files of the map, its legend, the verdicts of the tiles. Out: ``land_cover/``, a clip for
each tile and a manifest. Its twin for polygons is `corine.smk`; a build has one of the two.
"""

made_from(
    "clip_land_cover",
    step="land_cover_map",
    environment="raster",
    per_tile=False,
    options={
        "nodata": config["land_cover"]["nodata"],
        "year": land_cover.map_year(config),
    },
    sources=lambda _: land_cover_maps(),
    after=["check_quality"],
    instead_of=["clip_corine"],
    found=lost_clips,
)


checkpoint clip_land_cover:
    """Clip a land cover map for every tile; a tile with unchanged pixels keeps its file."""

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
        mem_mb=growing(4000),  # see tests/benchmarks
        runtime=growing(60),  # 2-6 s per tile measured
    params:
        step=step("clip_land_cover"),
        files=list(land_cover.patterns(config).values()),
        legend=config["land_cover"]["legend"],
        quality=every(RESULTS.verdict),
    shell:
        "python -m {params.step} --files {params.files:q} --legend {params.legend:q}"
        " --quality {params.quality:q} --threads {threads} --manifest {output.manifest:q} 2> {log:q}"
