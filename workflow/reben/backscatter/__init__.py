"""Sentinel-1 scenes as geocoded rasters: opened and checked, and warped to the grid of a tile."""
