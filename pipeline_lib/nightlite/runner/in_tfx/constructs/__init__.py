"""Constructs of TFX's pipelines: which run, how, and which compiling refuses. docs/reference/runner.md"""
