checkpoint check_quality:
    """Judge a product by the quality indicators in its metadata.

    A checkpoint, because only its result tells whether the verdict changed: the tile is
    cut again only if it did.
    """
    input:
        product=l2a_product,
    output:
        f"{RESULTS}/quality/{{tile}}.json",
    log:
        f"{LOGS}/check_quality/{{tile}}.log",
    params:
        required=sorted(config["quality"]["required"]),
        code=code_version("quality"),
        environment=environment_version("tables"),
    threads: 1
    resources:
        mem_mb=200,  # 60 MB seen: an XML file of 50 kB
        runtime=5,
    conda:
        "../../envs/tables.yaml"
    shell:
        "python -m reben.quality --product {input.product:q} --tile {wildcards.tile}"
        " --required {params.required:q} --verdicts {VERDICTS:q} --out {output:q} 2> {log:q}"
