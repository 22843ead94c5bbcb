"""Stand-ins for what is not available in tests: CDSE and sen2cor."""
