"""The report: a dataset to be looked at in a browser, one page for all and one a tile."""
