"""Beam workers for an engine, forked from a process that has imported TFX."""
