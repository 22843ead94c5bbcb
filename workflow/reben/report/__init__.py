"""The report: a dataset in the browser, with one page overall and one per tile."""
