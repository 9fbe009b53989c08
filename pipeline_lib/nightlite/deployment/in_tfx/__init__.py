"""The command line's part that runs in the TFX environment."""
