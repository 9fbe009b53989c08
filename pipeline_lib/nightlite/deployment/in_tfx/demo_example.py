"""Ask the newest release about one of its golden examples, for the end of `make demo`.

    python -m nightlite.deployment.in_tfx.demo_example MODEL

It prints one JSON object: `release`, `inputs` (as an app passes them, by name), `label` (the true one) and `answer`.
Golden examples are of the run's eval split, so no training has seen them. Exit code 1: there is no such release.
"""

import json
import sys

import numpy as np

from nightlite.deployment.models import model_named
from nightlite.errors import NightliteError
from nightlite.ondevice.contract.golden import floats
from nightlite.ondevice.in_tfx.predict.answers import answers
from nightlite.ondevice.in_tfx.predict.released_model import ReleasedModel
from nightlite.ondevice.settings import settings
from nightlite.settings_file import read_settings_file


def main(name: str) -> int:
    try:
        read_settings_file()
        released = ReleasedModel(model_named(name), settings())
        golden = released.release.golden()
    except NightliteError as error:
        print(error, file=sys.stderr)
        return 1
    if golden is None:
        return 1
    said = released.release.manifest
    example = golden.examples[said.version * 7 % len(golden.examples)]
    inputs = {name: np.array(floats(values), np.float32) for name, values in example.inputs.items()}
    [answer] = answers(released.run(inputs), said.labels, said.unit, said.version, 1)
    shown = {"release": said.version, "inputs": example.inputs, "label": example.label, "answer": answer.as_json()}
    print(json.dumps(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
