"""Hooks by which a model's pipeline joins the runner."""

from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.runner.compiled_pipeline import Hooks

HOOKS = Hooks(
    outcome="nightlite.ondevice.in_tfx.node_outcome:node_outcome",
    after_run="nightlite.ondevice.in_tfx.retention:after_run",
    asked_again=(APPROVAL_RECORD,),
)
