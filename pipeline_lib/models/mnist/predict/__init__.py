"""Asks a release what a picture shows."""
