"""Storage of patches: GeoTIFFs in folders and tars, safetensors in LMDBs."""
