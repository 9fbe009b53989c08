"""Start TensorBoard on 127.0.0.1 with the training curves of Trainer.mnist, for `make tensorboard`.

    python -m nightlite.ondevice.in_tfx.training_curves [--port PORT]      any option of TensorBoard's own

Each run of TensorBoard's list is one execution of it. The number is its id in MLMD.
"""

import os
import sys

from nightlite.errors import NightliteError
from nightlite.ondevice.settings import settings
from nightlite.settings_file import read_settings_file


def main(arguments: list[str]) -> int:
    try:
        read_settings_file()
        folder = settings().pipeline_root / "Trainer.mnist" / "model_run"
    except NightliteError as error:
        print(f"tensorboard: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", "--host=127.0.0.1", *arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
