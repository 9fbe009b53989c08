"""The start of every measurement, for one import of TFX: the compiled pipeline, and a span of 1,000 examples.

python -m bench.tfx.prepare
"""

from bench.tfx.digits import dataset
from models.mnist.data.write_span import write_span
from models.mnist.on_device import MODEL
from nightlite.deployment.models import the_model
from nightlite.deployment.settings import settings
from nightlite.ondevice.in_tfx.compile import compile_model

EXAMPLES = 1_000

if __name__ == "__main__":
    compile_model(the_model(), settings()).write(settings().compiled_path)
    print(write_span(dataset(EXAMPLES), settings().folders(MODEL.name).data))
