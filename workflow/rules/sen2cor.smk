"""L1C to L2A with ESA's sen2cor, which the user installs."""

from reben.files import sha256_file

GIPP = config["sen2cor"]["gipp"]


rule check_sen2cor:
    """Check that the sen2cor of the config is installed, before the first tile needs it."""
    output:
        f"{RESULTS}/sen2cor/version.json",
    log:
        f"{LOGS}/check_sen2cor.log",
    params:
        version=config["sen2cor"]["version"],
    threads: 1
    priority: 100  # before hours of downloads
    resources:
        mem_mb=500,
        runtime=10,
    conda:
        "../../envs/sen2cor.yaml"
    shell:
        "python -m reben.sen2cor_version --command {config[sen2cor][command]:q}"
        " --version {params.version:q} --out {output:q} 2> {log:q}"


rule run_sen2cor:
    """Process an L1C product to L2A.

    Its parameters are sen2cor's version and the digest of its GIPP and nothing else: 40
    minutes a tile are spent again only if the outcome can differ. The log keeps all tries.
    """
    input:
        l1c=f"{RESULTS}/l1c/{{tile}}",
        # Needed first, but a newer one of the same version processes nothing again.
        version=ancient(f"{RESULTS}/sen2cor/version.json"),
    output:
        directory(f"{RESULTS}/l2a/{{tile}}.SAFE"),
    wildcard_constraints:
        tile=tiles_of("L1C"),
    log:
        f"{LOGS}/run_sen2cor/{{tile}}.log",
    params:
        version=config["sen2cor"]["version"],
        gipp_digest=sha256_file(GIPP) if GIPP and Path(GIPP).is_file() else "",
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,  # ESA asks for 8 GB
        disk_mb=6000,  # some 5 GB of scratch, beside the output
        runtime=lambda wildcards, attempt: 120 * attempt,  # 35-45 min a tile
    conda:
        "../../envs/sen2cor.yaml"
    shell:
        "python -m reben.sen2cor --l1c {input.l1c:q} --out {output:q}"
        " --command {config[sen2cor][command]:q} --version {params.version:q}"
        f" {options(gipp=GIPP)}"
        " --limit-min {resources.runtime} --threads {threads} 2>> {log:q}"
