"""Beam's arguments, its ports, and caches for its repeated computations."""
