"""Patches as pictures, and the colours that all pictures share."""
