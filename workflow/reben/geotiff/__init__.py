"""GeoTIFFs of patches, from headers that GDAL made once, and a reader for exactly these."""
