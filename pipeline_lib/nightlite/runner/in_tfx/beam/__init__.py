"""Beam's arguments, its ports, and what it would compute again at each use."""
