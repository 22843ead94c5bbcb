"""Labels: from the land cover of each tile to reference maps, and from these to labels.

In: the clips of `corine.smk` or `land_cover_map.smk`, the patches of the tiles, a nomenclature.
Out: ``reference_maps/{tile}``, ``tables/code_counts/{tile}.parquet``,
``tables/labels/{tile}.parquet``. Only tiles whose clip changed are labelled again.
"""

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
