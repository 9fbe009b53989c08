"""The gates, and the figures that they judge."""
