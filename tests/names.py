"""The names that MNIST's DAG and Assets have in a deployment."""

from models.mnist.on_device import MODEL

PIPELINE_NAME = MODEL.pipeline_name
RELEASE_ASSET = MODEL.releases_asset
DATA_ASSET = MODEL.data_asset
PUSHER = MODEL.pusher
