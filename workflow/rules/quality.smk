rule check_quality:
    """Judge a product by the quality indicators in its metadata."""
    input:
        product=l2a_product,
    output:
        f"{RESULTS}/quality/{{tile}}.json",
    log:
        f"{LOGS}/check_quality/{{tile}}.log",
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,  # 60 MB seen: an XML file of 50 kB
        runtime=lambda wildcards, attempt: 10 * attempt,  # 1 s seen
    params:
        required=REQUIRED,
        code=code_version("quality"),
        environment=environment_version("tables"),
    shell:
        "python -m reben.quality --product {input.product:q} --tile {wildcards.tile}"
        " --required {params.required:q} --out {output:q} 2> {log:q}"
