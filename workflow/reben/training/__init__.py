"""Training: batches, and what the commands that train, evaluate and predict share."""
