"""Checking that a build is what its audit claims, and sound in itself."""
