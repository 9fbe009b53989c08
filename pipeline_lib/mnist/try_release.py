"""Ask a release what ten handwritten digits are, and print the answers as JSON.

    python -m pipeline_lib.mnist.try_release VERSION [SHA256]

The digits are ten of `mnist5k`'s eval split, one of each. stdout: {"digits": "…", "truth": "0123456789",
"right": n}. Exit code 1, with a sentence on stderr, if the release cannot be used or has another sum; how many it gets
right depends on what it was trained on, and is for the caller to judge.
"""

import json
import sys

from pipeline_lib.errors import MnistLiteError, ReleaseError
from pipeline_lib.mnist.features import LABELS
from pipeline_lib.mnist.recognition import Recogniser
from pipeline_lib.mnist.sources import load_mnist5k
from pipeline_lib.settings import settings


def main(version: int, sha256: str | None = None) -> int:
    held_out = load_mnist5k().eval
    images = [held_out.images[held_out.labels == number][0] for number in range(len(LABELS))]
    try:
        recogniser = Recogniser(settings(), version)
        if sha256 not in (None, recogniser.release.manifest.sha256):
            raise ReleaseError(f"expected the file {sha256}. Received: {recogniser.release.manifest.sha256}")
        answers = recogniser.ask(images)
    except MnistLiteError as error:
        print(error, file=sys.stderr)
        return 1
    digits = "".join(answer.digit for answer in answers)
    right = sum(said == truth for said, truth in zip(digits, LABELS, strict=True))
    print(json.dumps({"digits": digits, "truth": "".join(LABELS), "right": right}))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
