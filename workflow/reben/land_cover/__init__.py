"""Land cover: CORINE's polygons, raster maps, and what their codes mean."""
