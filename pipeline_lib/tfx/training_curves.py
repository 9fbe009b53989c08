"""`make tensorboard`: TensorBoard on 127.0.0.1 over the training curves that Trainers have left.

    python -m pipeline_lib.tfx.training_curves [--port PORT]      any option of TensorBoard's own

Each run of TensorBoard's list is one execution of a Trainer; the number is its id in MLMD.
"""

import os
import sys
from pathlib import Path

from pipeline_lib.errors import DataError, MnistLiteError
from pipeline_lib.settings import settings
from pipeline_lib.settings_file import read_settings_file


def curves(pipeline_root: Path) -> Path:
    """The folder that TensorBoard is to watch: the one Trainer's that has curves, or the root where several have.

    Raises:
      DataError: there are none yet.
    """
    folders = [folder for folder in pipeline_root.glob("*/model_run") if next(folder.rglob("*.tfevents.*"), None)]
    if not folders:
        raise DataError(
            f"expected training curves in {pipeline_root}/*/model_run. Received: none yet. Run 'make demo' first"
        )
    return folders[0] if len(folders) == 1 else pipeline_root


def main(arguments: list[str]) -> int:
    try:
        read_settings_file()
        folder = curves(settings().pipeline_root)
    except MnistLiteError as error:
        print(f"tensorboard: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", "--host=127.0.0.1", *arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
