"""reben: Sentinel-2 products in, a labelled, split and encoded dataset out.

The rules are in workflow/rules/, in the order of the data; the code that they run is the
package workflow/reben/. Start with `make demo`; config/README.md explains every key.
"""

from snakemake.utils import min_version

min_version("9.27.1")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common/environment.smk"
include: "workflow/rules/common/config.smk"
include: "workflow/rules/common/places.smk"
include: "workflow/rules/common/memory.smk"
include: "workflow/rules/acquire.smk"
include: "workflow/rules/sen2cor.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/patches.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/sentinel1.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/lmdb.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/common/hooks.smk"


rule all:
    """The dataset: metadata, counts and the LMDB."""
    default_target: True
    input:
        given(CORRECTED, RESULTS.sen2cor_version),
        RESULTS.metadata,
        RESULTS.funnel,
        RESULTS.lmdb,
