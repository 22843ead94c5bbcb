"""L1C to L2A with ESA's sen2cor, which the user installs."""

from reben.runtime.files import sha256_file

GIPP = config["sen2cor"]["gipp"]
SEN2COR_VERSION = f"{RESULTS}/sen2cor/version.json"

# Where they are is nothing that a tile is processed again for.
os.environ.update(REBEN_SEN2COR=config["sen2cor"]["command"], REBEN_GIPP=GIPP or "")


rule check_sen2cor:
    """Check that the sen2cor of the config is installed, before hours of downloads."""

    # Nothing depends on it, not even through `ancient`, behind which Snakemake overlooks
    # changed parameters: every tile asks for the version once more by itself.
    output:
        SEN2COR_VERSION,
    log:
        f"{LOGS}/check_sen2cor.log",
    priority: 100
    conda:
        "../../envs/sen2cor.yaml"
    threads: 1
    resources:
        # 17 MB seen beside sen2cor, whose own start could not be tried.
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        version=config["sen2cor"]["version"],
    shell:
        'python -m reben.sen2cor_version --command "$REBEN_SEN2COR"'
        " --version {params.version:q} --out {output:q} 2> {log:q}"


rule run_sen2cor:
    """Process an L1C product to L2A."""

    # Its parameters are sen2cor's version, the digest of its GIPP and its own last failure:
    # 40 minutes a tile are spent again only if the outcome can differ.
    input:
        l1c=f"{RESULTS}/l1c/{{tile}}",
    output:
        directory(f"{RESULTS}/l2a/{{tile}}.SAFE"),
    log:
        f"{LOGS}/run_sen2cor/{{tile}}.log",
    wildcard_constraints:
        tile=FETCHED["L1C"],
    conda:
        "../../envs/sen2cor.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,  # ESA asks for 8 GB
        disk_mb=6000,  # some 5 GB of scratch, beside the output
        runtime=lambda wildcards, attempt: 120 * attempt,  # 35-45 min a tile
    params:
        version=config["sen2cor"]["version"],
        gipp_digest=sha256_file(GIPP) if GIPP and Path(GIPP).is_file() else "",
        failure=last_failure("sen2cor"),
    shell:
        "python -m reben.sen2cor --l1c {input.l1c:q} --out {output:q}"
        ' --command "$REBEN_SEN2COR" --gipp "$REBEN_GIPP" --version {params.version:q}'
        " --limit-min {resources.runtime} --threads {threads}"
        " --scratch {resources.tmpdir:q} --log {log:q} 2> {log:q}"
