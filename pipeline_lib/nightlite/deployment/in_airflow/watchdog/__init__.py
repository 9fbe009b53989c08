"""Watchdog: notices nights that fail without a word."""
