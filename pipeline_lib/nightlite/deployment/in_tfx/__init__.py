"""Part of the command line that runs in the TFX environment."""
