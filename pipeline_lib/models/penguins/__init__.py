"""A model of a table: several inputs, categories, and values that may be missing."""
