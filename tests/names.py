"""The names that MNIST's DAG and Assets have in a deployment, and its run parameters."""

from models.mnist.on_device import MODEL
from nightlite.ondevice.run_parameters import run_params

PIPELINE_NAME = MODEL.pipeline_name
RELEASE_ASSET = MODEL.releases_asset
DATA_ASSET = MODEL.data_asset
PUSHER = MODEL.pusher
RunParams = run_params(MODEL)
