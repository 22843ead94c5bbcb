"""Entry point in the project's root; the workflow is in workflow/Snakefile."""

# What `include:` does, except that the included rule `all` stays the default target.
workflow.include("workflow/Snakefile", overwrite_default_target=True)
