"""A deployment of this model without Airflow, for tests of its real nodes."""

from pathlib import Path

from nightlite.deployment.settings import Settings
from nightlite.runner.in_tfx.beam import memo
from tests.tiny_table.ingest import ingest
from tests.tiny_table.on_device import MODEL


def deployed(var_dir: Path) -> Settings:
    """Return settings for nodes of this process, with the first span of data."""
    memo.install()
    config = Settings(var_dir=var_dir)
    ingest("iris", config.folders(MODEL.name).data)
    return config
