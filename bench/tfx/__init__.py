"""Programs that the benchmark starts in the TFX environment."""
