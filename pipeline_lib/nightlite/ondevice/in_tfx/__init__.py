"""The pipeline (`pipeline.py`) and its components, a package each."""
