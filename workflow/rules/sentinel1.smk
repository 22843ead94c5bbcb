"""Sentinel-1 patches: found in a folder of BigEarthNet-S1, or cut from scenes.

In: the folder or the table of scenes, ``tables/patches/{tile}.parquet``, the alignment. Out:
``tables/sentinel1/{tile}.parquet``, the pair of each patch, either way; before it
``tables/sentinel1_index.parquet`` or ``tables/scenes.json``, ``tables/scenes_of_tiles.json`` and
``sentinel1/{tile}``.

A scene that is added is matched with all tiles; only tiles that it meets are cut again.
"""

#: Pairs depend on time only without an alignment.
MAX_GAP_H = {} if ALIGNED else {"max_gap_h": config["sentinel1"]["max_gap_h"]}
#: Of the two rules that make the table of pairs, the one that may.
PAIRS = "cut_sentinel1" if SCENES else "pair_sentinel1"
FOUND, CUT = ("(?!)", TILE_PATTERN) if SCENES else (TILE_PATTERN, "(?!)")

made_from(
    "index_sentinel1",
    step="sentinel1",
    environment="raster",
    per_tile=False,
    sources=lambda _: source("sentinel1.root", "folders"),
)
made_from(
    "pair_sentinel1",
    step="sentinel1",
    environment="raster",
    options=MAX_GAP_H,
    sources=lambda tile: source("sentinel1.root", "headers", RESULTS.sentinel1(tile)),
    after=["index_sentinel1", "make_patches", *given(ALIGNED, ["align_patches"])],
    instead_of=["cut_sentinel1"],
)
made_from(
    "index_scenes",
    step="scene_index",
    environment="audit",  # which has what reads tables of the user's
    per_tile=False,
    options={"backscatter": config["sentinel1"]["backscatter"]},
    sources=lambda _: source("sentinel1.scenes"),
    needs=all_rasters,
    found=rasters_now,
)
made_from(
    "match_scenes",
    step="scene_index",
    environment="audit",
    per_tile=False,
    options=MAX_GAP_H,
    after=["index_scenes", "check_quality", *given(ALIGNED, ["align_patches"])],
)
made_from(
    "cut_sentinel1",
    step="scene_patches",
    environment="raster",
    options={
        "min_valid_fraction": config["sentinel1"]["min_valid_fraction"],
        "container": config["patches"]["container"],
    },
    settings=lambda tile: {"scenes": scenes_of(tile)},
    sources=scene_rasters,
    after=["make_patches", *given(ALIGNED, ["align_patches"])],
    instead_of=["pair_sentinel1"],
)


rule index_sentinel1:
    """Find all Sentinel-1 patches below the root, once for all tiles."""
    input:
        made=due("index_sentinel1"),
    output:
        table=RESULTS.sentinel1_index,
        record=record("index_sentinel1"),
    log:
        RESULTS.log("index_sentinel1"),
    conda:
        "../../envs/raster.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),  # 0.2 GB measured, one tile
        runtime=growing(60),  # 2 s measured, one tile: 8,281 folders
    params:
        step=step("index_sentinel1"),
        root=config["sentinel1"]["root"],
    shell:
        "python -m {params.step} index --root {params.root:q} --out {output.table:q} 2> {log:q}"


rule pair_sentinel1:
    """Find and check the Sentinel-1 patch of every valid patch of a tile."""
    input:
        made=due("pair_sentinel1"),
        index=RESULTS.sentinel1_index,
        patches=RESULTS.patch_table("{tile}"),
        alignment=given(ALIGNED, RESULTS.alignment),
    output:
        table=RESULTS.sentinel1("{tile}"),
        record=record("pair_sentinel1"),
    log:
        RESULTS.log("pair_sentinel1", "{tile}"),
    wildcard_constraints:
        tile=FOUND,
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(1000),  # 0.3 GB measured, full-size tile
        runtime=growing(15),  # 3 s measured
    params:
        step=step("pair_sentinel1"),
        root=config["sentinel1"]["root"],
        alignment=lambda wildcards, input: options(alignment=input.alignment or None),
    shell:
        "python -m {params.step} pair --root {params.root:q} --index {input.index:q}"
        " --patches {input.patches:q} {params.alignment} --threads {threads}"
        " --out {output.table:q} 2> {log:q}"


rule index_scenes:
    """Check the rasters of all Sentinel-1 scenes, before hours of work on products."""
    input:
        made=due("index_scenes"),
    output:
        index=RESULTS.scene_index,
        record=record("index_scenes"),
    log:
        RESULTS.log("index_scenes"),
    priority: 100
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),  # 0.2 GB measured: headers alone
        runtime=growing(60),  # 5 ms a scene measured
    params:
        step=step("index_scenes"),
        scenes=config["sentinel1"]["scenes"],
    shell:
        "python -m {params.step} index --scenes {params.scenes:q} --out {output.index:q} 2> {log:q}"


checkpoint match_scenes:
    """Find the Sentinel-1 scenes that meet each tile, near enough in time."""

    # A checkpoint, because only its result shows which tiles have other scenes than before.
    input:
        made=due("match_scenes"),
        index=RESULTS.scene_index,
        quality=of_tiles(RESULTS.verdict),
        alignment=given(ALIGNED, RESULTS.alignment),
    output:
        matches=RESULTS.scene_matches,
        record=record("match_scenes"),
    log:
        RESULTS.log("match_scenes"),
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),  # 0.2 GB measured
        runtime=growing(30),  # 0.2 ms for each tile and each scene that is near it in time
    params:
        step=step("match_scenes"),
        quality=every(RESULTS.verdict),
        alignment=lambda wildcards, input: options(alignment=input.alignment or None),
    shell:
        "python -m {params.step} match --index {input.index:q} --quality {params.quality:q}"
        " {params.alignment} --out {output.matches:q} 2> {log:q}"


rule cut_sentinel1:
    """Cut the Sentinel-1 patches of a tile from the scenes that meet it."""
    input:
        made=due("cut_sentinel1"),
        matched=after_match,
        patches=RESULTS.patch_table("{tile}"),
        alignment=given(ALIGNED, RESULTS.alignment),
    output:
        folder=directory(RESULTS.cut_sentinel1("{tile}")),
        table=RESULTS.sentinel1("{tile}"),
        record=record("cut_sentinel1"),
    log:
        RESULTS.log("cut_sentinel1", "{tile}"),
    wildcard_constraints:
        tile=CUT,
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),  # 0.45 GB measured, full-size tile from three scenes
        runtime=growing(30),  # 26 s of processor time measured
    params:
        step=step("cut_sentinel1"),
        scenes=RESULTS.scene_matches,
        alignment=lambda wildcards, input: options(alignment=input.alignment or None),
    shell:
        "python -m {params.step} --tile {wildcards.tile} --scenes {params.scenes:q}"
        " --patches {input.patches:q} {params.alignment} --threads {threads}"
        " --out {output.folder:q} --table {output.table:q} 2> {log:q}"
