"""Check that a build matches its audit and is consistent."""
