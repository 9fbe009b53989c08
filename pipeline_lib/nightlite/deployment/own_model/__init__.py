"""A model of your own, as a copy of another."""
