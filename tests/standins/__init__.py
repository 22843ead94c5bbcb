"""Stand-ins for what the tests cannot have: CDSE and sen2cor."""
