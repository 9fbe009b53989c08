"""Ask a release what ten handwritten digits are, and print the answers as JSON.

    python -m models.mnist.predict.try_release VERSION [SHA256]

The digits are ten of `mnist5k`'s eval split, one of each. stdout: {"digits": "…", "truth": "0123456789", "right":
n}. Exit code 1, with a sentence on stderr, if the release cannot be used or has another sum. The number of right
answers depends on the training data, so the caller judges it.
"""

import json
import sys

from models.mnist.data.sources import load_mnist5k
from models.mnist.model.features import IMAGE_KEY, LABELS
from models.mnist.predict.recognition import Recogniser
from nightlite.errors import NightliteError, ReleaseError
from nightlite.ondevice.settings import settings


def main(version: int, sha256: str | None = None) -> int:
    held_out = load_mnist5k().eval
    images = [held_out.inputs[IMAGE_KEY][held_out.labels == number][0] for number in range(len(LABELS))]
    try:
        recogniser = Recogniser(settings(), version)
        if sha256 not in (None, recogniser.release.manifest.sha256):
            raise ReleaseError(f"expected the file {sha256}. Received: {recogniser.release.manifest.sha256}")
        answers = recogniser.recognise(images)
    except NightliteError as error:
        print(error, file=sys.stderr)
        return 1
    digits = "".join(answer.digit for answer in answers)
    right = sum(said == truth for said, truth in zip(digits, LABELS, strict=True))
    print(json.dumps({"digits": digits, "truth": "".join(LABELS), "right": right}))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
