"""The same table without its last feature: a file with other inputs."""

from unittest import mock

from tfx.components.trainer.fn_args_utils import FnArgs

from tests.tiny_table import trainer
from tests.tiny_table.features import CONTRACT, FEATURES, transformed_name


def run_fn(fn_args: FnArgs) -> None:
    """Train and export a network of three inputs."""
    contract = CONTRACT.model_copy(update={"inputs": CONTRACT.inputs[:-1]})
    names = tuple(map(transformed_name, FEATURES[:-1]))
    with mock.patch.multiple(trainer, _NAMES=names, CONTRACT=contract):
        trainer.run_fn(fn_args)
