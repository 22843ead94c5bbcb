import json
from importlib.metadata import version

SHARDS = [
    f"{RESULTS}/encoded/{kind}/{{tile}}.lmdb"
    for kind in ("s2", "s1", "reference_maps")
    if shards(kind)
]


def product_at_hand(wildcards):
    """The L2A folder of a tile where it is still there; its absence makes nothing run."""
    product = PRODUCTS[wildcards.tile]
    used = product.path if product.is_used_in_place else f"{RESULTS}/l2a/{wildcards.tile}.SAFE"
    return options(product=used)


rule digest_tile:
    """Digest all that was made of a tile."""
    input:
        settled=after_checkpoints,
        patches=f"{RESULTS}/patches/{{tile}}",
        reference_maps=f"{RESULTS}/reference_maps/{{tile}}",
        shards=SHARDS,
    output:
        digest=f"{RESULTS}/audit/tiles/{{tile}}.json",
        patches=f"{RESULTS}/audit/tiles/{{tile}}.patches.csv",
        reference_maps=f"{RESULTS}/audit/tiles/{{tile}}.reference_maps.csv",
    log:
        f"{LOGS}/digest_tile/{{tile}}.log",
    params:
        product=product_at_hand,
        code=code_version("digests"),
        environment=environment_version("raster"),
    threads: 2
    resources:
        mem_mb=500,
        runtime=lambda wildcards, attempt: 30 * attempt,  # 100,000 files, 4 GB
    conda:
        "../../envs/raster.yaml"
    shell:
        "python -m reben.digests --tile {wildcards.tile} --patches {input.patches:q}"
        " --reference-maps {input.reference_maps:q} --shards {input.shards:q}"
        " {params.product} --threads {threads} --out {RESULTS:q}/audit/tiles 2> {log:q}"


rule audit:
    """Write the manifest, the checksums and the Workflow Run RO-Crate of the build."""
    input:
        settled=after_checkpoints,
        tiles=of_tiles(f"{RESULTS}/audit/tiles/{{tile}}.json"),
        metadata=f"{RESULTS}/dataset/metadata.parquet",
        funnel=f"{RESULTS}/dataset/funnel.csv",
        lmdb=f"{RESULTS}/dataset/BigEarthNet.lmdb",
    output:
        manifest=f"{RESULTS}/audit/manifest.json",
        patch_hashes=f"{RESULTS}/audit/patch_hashes.csv",
        reference_maps_hashes=f"{RESULTS}/audit/reference_maps_hashes.csv",
        crate=f"{RESULTS}/audit/ro-crate-metadata.json",
    log:
        f"{LOGS}/audit.log",
    params:
        config=json.dumps(config, sort_keys=True),
        tiles=TILES,
        snakemake=version("snakemake"),
        snakefile=f"{workflow.basedir}/Snakefile",
        code=code_version("audit"),
        environment=environment_version("audit"),
    threads: 1
    resources:
        mem_mb=1000,
        runtime=lambda wildcards, attempt: 120 * attempt,  # reads the LMDB twice
    conda:
        "../../envs/audit.yaml"
    shell:
        "python -m reben.audit --results {RESULTS:q} --config {params.config:q}"
        " --tiles {params.tiles} --snakemake {params.snakemake} --snakefile {params.snakefile:q} 2> {log:q}"
