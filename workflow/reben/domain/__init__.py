"""Definitions of a BigEarthNet: names, bands, patch grid, split geometry, table columns."""
