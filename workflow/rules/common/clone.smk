"""Locate the files of the workflow: WORKFLOW is the folder of the Snakefile.

In: the place that Snakemake reads this file from. Out: that folder, if it is a clone. If
Snakemake fetches the Snakefile itself, as for a module with `github(...)`, which is what
`snakedeploy deploy-workflow` writes, there is no clone, but a step needs the package next to
its rule. Then the same version is checked out below .snakemake/, from the repository that
Snakemake has already fetched.
"""

import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalSourceFile


def check_out(source):
    """A clone at the version of a file in a hosted repository; made once per version.

    Jobs on cluster nodes find it and need no git: like Snakemake, this assumes that tags and
    commits do not change.
    """
    version = source.tag or source.commit
    if not version:
        source.fetch_if_required()
        version = source.hosted_repo.repo.git.rev_parse(source.branch)
    clone = Path(".snakemake", "reben", quote(version, safe="")).absolute()
    if not clone.exists():
        import git

        source.fetch_if_required()
        clone.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=clone.parent) as scratch:
            new = Path(scratch, "clone")
            repository = git.Repo.clone_from(
                source.hosted_repo.repo_clone, new, no_checkout=True
            )
            repository.git.checkout("--detach", version)
            with suppress(OSError):  # another process was first
                new.rename(clone)
    return clone


def workflow_folder(source):
    """The `workflow` folder of a rule file, on this machine."""
    if isinstance(source, LocalSourceFile):
        return Path(str(source)).parents[1]
    if isinstance(source, HostingProviderFile):
        return check_out(source) / "workflow"
    raise WorkflowError(
        f"reben cannot run from {source}, because its steps need the files next to the Snakefile. "
        'Clone the repository and run the Snakefile of the clone, or use github("owner/name", '
        'path="workflow/Snakefile", tag="...") in the module'
    )


WORKFLOW = workflow_folder(workflow.current_basedir)


def own_or_shipped(path):
    """A file of the working folder or, if it does not exist, the one that the workflow ships."""
    return path if Path(path).exists() else str(WORKFLOW.parent / path)
