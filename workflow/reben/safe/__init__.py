"""SAFE products: their metadata, manifest and archives."""
