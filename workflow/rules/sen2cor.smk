"""From L1C to L2A with ESA's sen2cor, which the user installs.

In: ``l1c/{tile}``, sen2cor and its parameter file (GIPP). Out: ``l2a/{tile}.SAFE``.

A tile takes 40 minutes, and is processed again only if the result can differ: with another
version of sen2cor, another GIPP or another product; not after edits to the code.
"""

# Their paths do not affect results.
os.environ.update(
    REBEN_SEN2COR=config["sen2cor"]["command"],
    REBEN_GIPP=config["sen2cor"]["gipp"] or "",
)
SEN2COR = {"version": config["sen2cor"]["version"]}

made_from(
    "check_sen2cor",
    step="sen2cor_version",
    environment=None,
    coded=False,
    per_tile=False,
    options=SEN2COR,
)
made_from(
    "run_sen2cor",
    step="sen2cor",
    environment=None,
    coded=False,
    options=SEN2COR,
    sources=lambda tile: source("sen2cor.gipp"),
    after=["acquire"],
    instead_of=["acquire_l2a"],
)


rule check_sen2cor:
    """Check that the sen2cor version in the config is installed, before hours of downloads."""

    # Nothing depends on it: every tile checks the version again itself.
    input:
        made=due("check_sen2cor"),
    output:
        version=RESULTS.sen2cor_version,
        record=record("check_sen2cor"),
    log:
        RESULTS.log("check_sen2cor"),
    priority: 100
    conda:
        "../../envs/sen2cor.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),  # 17 MB measured without sen2cor, whose own start was not tested
        runtime=10,
    params:
        step=step("check_sen2cor"),
    shell:
        'python -m {params.step} --command "$REBEN_SEN2COR" --out {output.version:q} 2> {log:q}'


rule run_sen2cor:
    """Process an L1C product to L2A."""
    input:
        made=due("run_sen2cor"),
        l1c=RESULTS.l1c("{tile}"),
    output:
        product=directory(RESULTS.l2a("{tile}")),
        record=record("run_sen2cor"),
    log:
        RESULTS.log("run_sen2cor", "{tile}"),
    wildcard_constraints:
        tile=FETCHED["L1C"],
    conda:
        "../../envs/sen2cor.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),  # ESA asks for 8 GB
        disk_mb=6000,  # about 5 GB of scratch, in addition to the output
        runtime=growing(120),  # 35-45 min per tile
    params:
        step=step("run_sen2cor"),
    shell:
        "python -m {params.step} --l1c {input.l1c:q} --out {output.product:q}"
        ' --command "$REBEN_SEN2COR" --gipp "$REBEN_GIPP"'
        " --limit-min {resources.runtime} --threads {threads}"
        " --scratch {resources.tmpdir:q} --log {log:q} 2> {log:q}"
