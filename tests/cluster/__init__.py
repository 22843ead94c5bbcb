"""Tests on a Slurm that they start themselves: `pytest tests/cluster`, as root."""
