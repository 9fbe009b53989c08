"""Runner of TFX pipelines under Airflow, and what it takes to release on-device models with it."""

VERSION = "0.1.0"  # of a checkout: pyproject.toml has the same, which the image does not hold
