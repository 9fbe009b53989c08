"""TFX environment: made from this package's own locks. Stdlib only: it runs before anything is installed."""
