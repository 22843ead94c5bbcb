"""The audit: the proof of what a build is, as a manifest and a Workflow Run RO-Crate."""
