"""Start TensorBoard on 127.0.0.1 with the training curves of the model's Trainer, for `make tensorboard`.

    python -m nightlite.deployment.in_tfx.training_curves [--port PORT]      any option of TensorBoard's own

Each run of TensorBoard's list is one execution of it. The number is its id in MLMD.
"""

import os
import sys

from nightlite.deployment.models import the_model
from nightlite.deployment.settings import settings
from nightlite.errors import NightliteError
from nightlite.settings_file import read_settings_file


def main(arguments: list[str]) -> int:
    try:
        read_settings_file()
        model = the_model()
        folder = settings().folders(model.name).artifacts / model.trainer / "model_run"
    except NightliteError as error:
        print(f"tensorboard: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", "--host=127.0.0.1", *arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
