"""Train, validation and test, by the place of each patch in its tile.

In: ``tables/patches/{tile}.parquet``. Out: ``tables/split/{tile}.parquet``.
"""

made_from(
    "assign_split",
    step="split",
    environment="tables",
    options={"p": config["split"]["p"], "q": config["split"]["q"]},
    after=["make_patches"],
)


rule assign_split:
    """Assign train, validation and test by the place of each patch in its tile."""
    input:
        made=due("assign_split"),
        patches=RESULTS.patch_table("{tile}"),
    output:
        table=RESULTS.split("{tile}"),
        record=record("assign_split"),
    log:
        RESULTS.log("assign_split", "{tile}"),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        step=step("assign_split"),
    shell:
        "python -m {params.step} --patches {input.patches:q} --out {output.table:q} 2> {log:q}"
