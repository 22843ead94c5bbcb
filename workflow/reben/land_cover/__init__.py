"""Land cover: CORINE's polygons, and the nomenclatures that turn its codes into classes."""
