"""What a BigEarthNet is: names, bands, patch grid, split geometry, columns of the tables."""
