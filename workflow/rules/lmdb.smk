"""From GeoTIFFs to one LMDB, via a shard for each tile and kind of data.

In: ``patches/{tile}``, ``reference_maps/{tile}``, the Sentinel-1 patches, and the tables that
list them. Out: ``encoded/{kind}/{tile}.lmdb``, ``dataset/BigEarthNet.lmdb``.

Imagery, Sentinel-1 and reference maps have separate shards with all valid patches: a new
CORINE release or another threshold does not encode imagery again.
"""

ENCODERS = {
    "s2": "encode_sentinel2",
    "s1": "encode_sentinel1",
    "reference_maps": "encode_reference_maps",
}


encoded = partial(made_from, step="encode", environment="raster")
SIDE = {"patch_side_m": config["patches"]["side_m"]}
encoded("encode_sentinel2", options={"kind": "s2", **SIDE}, after=["make_patches"])
encoded(
    "encode_sentinel1",
    options={
        "kind": "s1",
        **SIDE,
        "min_valid_fraction": (
            config["sentinel1"]["min_valid_fraction"] if SCENES else None
        ),
    },
    sources=lambda tile: source("sentinel1.root", "images", RESULTS.sentinel1(tile)),
    after=[PAIRS],
)
encoded(
    "encode_reference_maps",
    options={"kind": "reference_maps", **SIDE},
    after=["make_reference_maps"],
)
made_from(
    "build_lmdb",
    step="build_lmdb",
    environment="raster",
    per_tile=False,
    after=[
        "select_patches",
        *[ENCODERS[kind] for kind in KINDS],
        *given("s1" in KINDS, [PAIRS]),
    ],
)


rule encode_sentinel2:
    """Encode the Sentinel-2 patches of a tile."""
    input:
        made=due("encode_sentinel2"),
        root=RESULTS.patches("{tile}"),
        table=RESULTS.patch_table("{tile}"),
    output:
        shard=directory(RESULTS.shard("s2", "{tile}")),
        record=record("encode_sentinel2"),
    log:
        RESULTS.log("encode_sentinel2", "{tile}"),
    conda:
        "../../envs/raster.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),  # 0.35 GB measured, full-size tile; Sentinel-1 0.26, maps 0.16
        runtime=growing(15),  # 11 s measured; Sentinel-1 6 s, maps 2.5 s
    params:
        step=step("encode_sentinel2"),
        patches=lambda wildcards, input: options(root=input.root, table=input.table),
    shell:
        "python -m {params.step} {params.patches} --threads {threads}"
        " --out {output.shard:q} 2> {log:q}"


use rule encode_sentinel2 as encode_sentinel1 with:
    """Encode the Sentinel-1 patches of a tile."""
    input:
        made=due("encode_sentinel1"),
        matched=after_match,
        images=given(SCENES, RESULTS.cut_sentinel1("{tile}")),
        table=RESULTS.sentinel1("{tile}"),
    output:
        shard=directory(RESULTS.shard("s1", "{tile}")),
        record=record("encode_sentinel1"),
    log:
        RESULTS.log("encode_sentinel1", "{tile}"),
    params:
        step=step("encode_sentinel1"),
        patches=lambda wildcards, input: options(root=SENTINEL1_ROOT, table=input.table),


use rule encode_sentinel2 as encode_reference_maps with:
    """Encode the reference maps of a tile."""
    input:
        made=due("encode_reference_maps"),
        settled=after_clip,
        root=RESULTS.reference_maps("{tile}"),
    output:
        shard=directory(RESULTS.shard("reference_maps", "{tile}")),
        record=record("encode_reference_maps"),
    log:
        RESULTS.log("encode_reference_maps", "{tile}"),
    params:
        step=step("encode_reference_maps"),
        patches=lambda wildcards, input: options(root=input.root),


rule build_lmdb:
    """Copy the kept patches from the shards into one LMDB."""

    # It depends on which patches are kept, not on the metadata: another split, country or flag
    # does not change the LMDB.
    input:
        made=due("build_lmdb"),
        settled=after_clip,
        selection=RESULTS.selection,
        pairs=given("s1" in KINDS, of_tiles(RESULTS.sentinel1)),
        shards=[RESULTS.shard(kind, tile) for kind in KINDS for tile in TILES],
    output:
        # Not the folder: Snakemake would put a file of its own into it.
        lmdb=RESULTS.lmdb_data,
        record=record("build_lmdb"),
    log:
        RESULTS.log("build_lmdb"),
    conda:
        "../../envs/raster.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),  # 0.4 GB measured, full-size tile
        runtime=growing(240),  # 10 s per tile measured
    params:
        step=step("build_lmdb"),
        folder=RESULTS.lmdb,
        shards=options(
            **{kind: RESULTS.shard(kind, "*") for kind in KINDS},
            pairs=given("s1" in KINDS, every(RESULTS.sentinel1)),
        ),
    shell:
        "python -m {params.step} --selection {input.selection:q} {params.shards}"
        " --out {params.folder:q} 2> {log:q}"
