"""Notices of how a run ended."""
