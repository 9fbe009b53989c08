"""The start of every measurement, for one import of TFX: the compiled pipeline, and a span of 1,000 examples.

python -m bench.tfx.prepare
"""

from bench.tfx.digits import dataset
from models.mnist.on_device import MODEL
from nightlite.deployment.models import first_model
from nightlite.deployment.settings import settings
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.ingest.write_span import write_span

EXAMPLES = 1_000

if __name__ == "__main__":
    compile_model(first_model(), settings()).write(settings().compiled_file(first_model()))
    print(write_span(MODEL, dataset(EXAMPLES), settings().folders(MODEL.name).data))
