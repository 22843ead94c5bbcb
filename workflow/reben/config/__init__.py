"""The user's input: the configuration and the product table, checked."""
