"""One process that has imported TFX, and a forked child for each node."""
