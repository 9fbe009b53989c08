"""Staged roll-out of releases: who gets which one now, and what comes next."""
