"""Models that are trained on the dataset, beside the paper's Table II: `snakemake ... table2`.

In: the metadata and the LMDB of this build, or of `training.dataset`. Out: ``models/``. A training
that was cut off goes on from ``checkpoints/``, which no rule has as an output.
"""

from reben.results.layout import CLEAR_TABLE, LMDB

OTHER_DATASET = TRAINING["dataset"]
TRAINED_ON = (
    {"metadata": f"{OTHER_DATASET}/{CLEAR_TABLE}", "lmdb": f"{OTHER_DATASET}/{LMDB}"}
    if OTHER_DATASET
    else {"metadata": str(RESULTS.metadata), "lmdb": str(RESULTS.lmdb)}
)
#: Images that any of the models sees.
SEEN = {run.modality for run in RUNS}
#: Nothing is waited for if the dataset is there already.
SETTLED = given(not OTHER_DATASET, after_clip)
BUILT_HERE = given(not OTHER_DATASET, [RESULTS.metadata, RESULTS.lmdb_data])

made_from(
    "band_statistics",
    step="band_statistics",
    environment="unsolved/training",
    per_tile=False,
    options={"modality": min(SEEN) if len(SEEN) == 1 else "all"},
    sources=lambda _: (
        {f"training.dataset {k}": Source(Path(path)) for k, path in TRAINED_ON.items()}
        if OTHER_DATASET
        else {}
    ),
    after=given(not OTHER_DATASET, ["build_metadata", "build_lmdb"]),
)
made_from(
    "train_model",
    step="train",
    environment="unsolved/training",
    per_run=True,
    options={
        key: value
        for key, value in TRAINING.items()
        if key not in ("dataset", "models", "modalities", "seeds")
    },
    after=["band_statistics"],
)
made_from(
    "evaluate_model",
    step="evaluate",
    environment="unsolved/training",
    per_run=True,
    after=["train_model"],
)
made_from(
    "summarise_models",
    step="table2",
    environment="report",
    per_tile=False,
    options={
        "name": config["dataset"]["name"],
        "version": config["dataset"]["version"],
    },
    settings=lambda _: {"templates": data_version("report/templates")},
    sources=lambda _: {"paper": Source(HOME / "resources/table2.csv")},
    after=["evaluate_model"],
)


rule band_statistics:
    """Compute mean and deviation of each band, and the digest of the dataset."""
    input:
        made=due("band_statistics"),
        settled=SETTLED,
        dataset=BUILT_HERE,
    output:
        statistics=MODELS.statistics,
        record=record("band_statistics"),
    log:
        RESULTS.log("band_statistics"),
    conda:
        "../../envs/unsolved/training.yaml"
    threads: 4
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),  # reads the LMDB twice
    params:
        step=step("band_statistics"),
        dataset=options(**TRAINED_ON),
    shell:
        "python -m {params.step} {params.dataset} --threads {threads}"
        " --out {output.statistics:q} 2> {log:q}"


rule train_model:
    """Train a model with a seed, from its checkpoint if there is one."""

    # Without a GPU one thread computes: the last digits depend on how many there are.
    input:
        made=due("train_model"),
        settled=SETTLED,
        dataset=BUILT_HERE,
        statistics=MODELS.statistics,
    output:
        weights=MODELS.weights(ANY_RUN),
        config=MODELS.config(ANY_RUN),
        history=MODELS.history(ANY_RUN),
        facts=MODELS.facts(ANY_RUN),
        record=record("train_model"),
    log:
        RESULTS.log("train_model", ANY_RUN.name),
    wildcard_constraints:
        model="[a-z0-9_]+",
        modality="s1|s2|all",
        seed="[0-9]+",
    conda:
        "../../envs/unsolved/training.yaml"
    threads: 8
    resources:
        mem_mb=growing(32000),  # a guess: never measured with a GPU
        runtime=growing(1440),
        gpu=1,
    params:
        step=step("train_model"),
        dataset=options(**TRAINED_ON),
        checkpoint=str(MODELS.checkpoint(ANY_RUN)),
        out=lambda wildcards, output: Path(output.weights).parent,
    shell:
        "python -m {params.step} {params.dataset} --statistics-file {input.statistics:q}"
        " --model {wildcards.model} --modality {wildcards.modality} --seed {wildcards.seed}"
        " --workers {threads} --threads 1 --checkpoint {params.checkpoint:q} --out {params.out:q}"
        " 2> {log:q}"


rule evaluate_model:
    """Score a model on the test split."""
    input:
        made=due("evaluate_model"),
        settled=SETTLED,
        dataset=BUILT_HERE,
        weights=MODELS.weights(ANY_RUN),
        config=MODELS.config(ANY_RUN),
    output:
        metrics=MODELS.metrics(ANY_RUN),
        record=record("evaluate_model"),
    log:
        RESULTS.log("evaluate_model", ANY_RUN.name),
    wildcard_constraints:
        model="[a-z0-9_]+",
        modality="s1|s2|all",
        seed="[0-9]+",
    conda:
        "../../envs/unsolved/training.yaml"
    threads: 8
    resources:
        mem_mb=growing(16000),
        runtime=growing(60),
        gpu=1,
    params:
        step=step("evaluate_model"),
        dataset=options(**TRAINED_ON),
        model=lambda wildcards, input: Path(input.weights).parent,
        batch_size=TRAINING["batch_size"],
    shell:
        "python -m {params.step} {params.dataset} --model {params.model:q}"
        " --batch-size {params.batch_size} --workers {threads} --threads 1"
        " --out {output.metrics:q} 2> {log:q}"


rule summarise_models:
    """Put the scores of all models beside the paper's, as tables and as a page."""
    input:
        made=due("summarise_models"),
        settled=SETTLED,
        facts=[MODELS.facts(run) for run in RUNS],
        metrics=[MODELS.metrics(run) for run in RUNS],
    output:
        table=report(
            MODELS.table,
            caption="../report/table2.rst",
            category="Models",
            labels={"what": "Table II"},
        ),
        classes=MODELS.class_table,
        page=MODELS.page,
        record=record("summarise_models"),
    log:
        RESULTS.log("summarise_models"),
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        step=step("summarise_models"),
        runs=[str(MODELS.run(run)) for run in RUNS],
        paper=HOME / "resources/table2.csv",
    shell:
        "python -m {params.step} --runs {params.runs:q} --paper {params.paper:q}"
        " --out {output.table:q} --out-classes {output.classes:q} --out-page {output.page:q}"
        " 2> {log:q}"


rule table2:
    """The target of all models."""
    input:
        MODELS.table,
