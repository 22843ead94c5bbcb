"""What the user asks for: the configuration and the product table, checked."""
