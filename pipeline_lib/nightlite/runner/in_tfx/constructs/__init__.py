"""Constructs of TFX's pipelines: which run, how, and which are refused when they are compiled. See docs/runner.md."""
