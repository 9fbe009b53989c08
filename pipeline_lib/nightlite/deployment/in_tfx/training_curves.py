"""Start TensorBoard on 127.0.0.1 with the training curves of the model's Trainer, for `make tensorboard`.

    python -m nightlite.deployment.in_tfx.training_curves [--model NAME] [--port PORT]

Any other option is TensorBoard's own.

Each run of TensorBoard's list is one execution of it. The number is its id in MLMD.
"""

import argparse
import os
import sys

from nightlite.deployment.models import model_named
from nightlite.deployment.settings import settings
from nightlite.errors import NightliteError
from nightlite.settings_file import read_settings_file


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model")
    asked, others = parser.parse_known_args(arguments)
    try:
        read_settings_file()
        model = model_named(asked.model)
        folder = settings().folders(model.name).artifacts / model.trainer / "model_run"
    except NightliteError as error:
        print(f"tensorboard: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", "--host=127.0.0.1", *others]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
