"""Golden examples in LiteRT: a file agrees with its own, and with no other's."""

import io
import math
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nightlite import litert
from nightlite.deployment.cli import run_commands
from nightlite.deployment.in_tfx import feed_commands
from nightlite.ondevice.contract.golden import Golden, GoldenExample, numbers
from nightlite.ondevice.feed import keys
from nightlite.ondevice.in_tfx.conversion.tflite_file import load
from nightlite.ondevice.in_tfx.golden_check import golden_check
from tests.ondevice.feed.made_feed import NOON
from tests.ondevice.feed_client.publisher import Publisher
from tests.ondevice.feed_client.server import Served, served
from tests.ondevice.in_tfx.odd_files import odd_file

VALUES = np.random.default_rng(1).uniform(-1, 1, (4, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    (folder / "tflite").write_bytes(odd_file(folder / "saved", size=3, classes=2, batch=1))
    return folder / "tflite"


@pytest.fixture
def golden(file: Path) -> Golden:
    interpreter = load(file)
    examples = [
        GoldenExample(
            label="a",
            inputs={"pixels": numbers(row.tolist())},
            outputs={"p": numbers(litert.answer(interpreter, {"pixels": row[None]})["p"].ravel().tolist())},
        )
        for row in VALUES
    ]
    return Golden(sha256="0" * 64, tolerance=1e-5, examples=tuple(examples))


def changed(golden: Golden, **update: object) -> Golden:
    """Return the golden examples with another last one."""
    last = golden.examples[-1].model_copy(update=update)
    return golden.model_copy(update={"examples": (*golden.examples[:-1], last)})


def test_a_file_agrees_with_what_was_written_of_it(file: Path, golden: Golden) -> None:
    read = Golden.model_validate_json(golden.model_dump_json())
    check = golden_check(file.read_bytes(), read)
    assert check.passed and max(check.differences) == 0
    assert str(check) == "4 of 4 golden examples agree (largest difference 0, tolerance 1e-05)"


def test_other_outputs_and_other_inputs_disagree(file: Path, golden: Golden) -> None:
    for other in (changed(golden, outputs={"p": (0.9, 0.1)}), changed(golden, inputs={"pixels": (9.0, 9.0, -9.0)})):
        check = golden_check(file.read_bytes(), other)
        assert not check.passed and str(check).startswith("3 of 4 golden examples agree (largest difference 0.")


def test_an_answer_that_is_no_number_disagrees(file: Path, golden: Golden) -> None:
    check = golden_check(file.read_bytes(), changed(golden, inputs={"pixels": (None, 0.0, 0.0)}))
    assert not check.passed and math.isnan(check.differences[-1]) and "largest difference nan" in str(check)


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"inputs": {"ink": (0.0, 0.0, 0.0)}}, "expected inputs named pixels. Received: ink"),
        ({"inputs": {"pixels": (0.0, 0.0)}}, "cannot reshape array of size 2"),
        ({"outputs": {"probabilities": (0.5, 0.5)}}, "expected outputs named probabilities. Received: p"),
    ],
)
def test_examples_of_another_contract_are_told(
    file: Path, golden: Golden, update: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        golden_check(file.read_bytes(), changed(golden, **update))


def test_a_feeds_client_takes_a_file_that_agrees_and_no_other(file: Path, golden: Golden, tmp_path: Path) -> None:
    feed = Publisher(tmp_path / "tiny")
    feed.release_bytes(file.read_bytes(), golden.examples)
    feed.publish(days=(datetime.now(UTC) - NOON) / timedelta(days=1))
    with served(feed.folder) as server:
        told = fetched(server, feed, tmp_path)
        assert told == (0, f"release 1, {file.stat().st_size:,} bytes, golden 4 of 4\n", "")
        assert (tmp_path / "phone" / "current" / "model.tflite").read_bytes() == file.read_bytes()
        assert fetched(server, feed, tmp_path) == (0, "nothing new since release 1, 0 bytes received\n", "")
        feed.release_bytes(file.read_bytes() + b" ", changed(golden, outputs={"p": (0.9, 0.1)}).examples)
        feed.publish(days=(datetime.now(UTC) - NOON) / timedelta(days=1))
        code, _, error = fetched(server, feed, tmp_path)
        assert code == 3 and "release 2 to agree here. Received: 3 of 4; try" in error
    code, _, error = fetched(server, feed, tmp_path)
    assert code == 1 and "try again later" in error
    assert (tmp_path / "phone" / "current" / "model.tflite").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--keys", "nowhere.pem"), ("--keys", __file__), ("--runtime-version", "2.x"), ("--channel", "b")],
)
def test_a_wrong_option_of_a_fetch_is_named(option: str, value: str, tmp_path: Path) -> None:
    made = keys.make(tmp_path / "keys").app_keys
    arguments = ["--keys", str(made)] if option != "--keys" else []
    code, _, error = fetch_with("http://127.0.0.1:9/", tmp_path, *arguments, option, value)
    assert code == 2 and f"{option}: " in error


def fetched(server: Served, feed: Publisher, folder: Path) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a fetch."""
    return fetch_with(server.url, folder, "--keys", str(feed.keys.app_keys))


def fetch_with(url: str, folder: Path, *options: str) -> tuple[int, str, str]:
    command = [
        "feed",
        "fetch",
        url,
        "--model",
        "tiny",
        "--installation",
        "one",
        "--into",
        str(folder / "phone"),
        *options,
    ]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = run_commands(partial(feed_commands.app, command))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()
