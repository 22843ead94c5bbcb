"""Tests on a Slurm that they bring up by themselves: `pytest tests/cluster`, as root."""
