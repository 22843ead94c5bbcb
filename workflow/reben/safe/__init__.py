"""SAFE products: the metadata that the project uses, their manifest, their archives."""
