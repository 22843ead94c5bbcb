"""How patches are stored: GeoTIFFs in folders and tars, safetensors in LMDBs."""
