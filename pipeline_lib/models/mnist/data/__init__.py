"""Sources of the data."""
