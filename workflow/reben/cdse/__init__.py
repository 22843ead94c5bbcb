"""The Copernicus Data Space Ecosystem: its catalogue, its logins, and downloads from it."""
