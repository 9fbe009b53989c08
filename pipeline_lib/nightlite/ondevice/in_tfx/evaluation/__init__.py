"""Metrics and thresholds of both Evaluators."""
