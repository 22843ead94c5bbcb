"""The audit: a verifiable record of a build, as a manifest and a Workflow Run RO-Crate."""
