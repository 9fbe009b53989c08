"""Golden examples as a file: what is written is read again, whatever the values."""

import json
import math
import random
import struct
from pathlib import Path

import pytest
from pydantic import ValidationError

from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, GoldenExample, floats, numbers


def as_float32(value: float) -> float:
    [found] = struct.unpack("f", struct.pack("f", value))
    return float(found)


def golden(*values: float) -> Golden:
    example = GoldenExample(label="7", inputs={"image_floats": numbers(values)}, outputs={"p": numbers([0.25, 0.75])})
    return Golden(sha256="a" * 64, tolerance=1e-5, examples=(example,))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = golden(0.5, as_float32(0.1), math.nan)
    made.write(tmp_path)
    assert Golden.read(tmp_path) == made
    assert json.loads((tmp_path / GOLDEN_FILE).read_text()) == {
        "schema_version": 1,
        "sha256": "a" * 64,
        "tolerance": 1e-5,
        "examples": [{"label": "7", "inputs": {"image_floats": [0.5, 0.1, None]}, "outputs": {"p": [0.25, 0.75]}}],
    }


def test_a_number_is_the_shortest_text_of_the_same_float32() -> None:
    random.seed(1)
    values = [as_float32(random.uniform(-1, 1) * 10 ** random.randint(-38, 37)) for _ in range(2000)]
    for value, found in zip(values, numbers(values), strict=True):
        assert found is not None and as_float32(found) == value
        assert len(repr(found)) <= len(repr(value))
    assert numbers([as_float32(1 / 3), 1.0, -0.0, as_float32(1e-45)]) == (0.33333334, 1.0, -0.0, 1e-45)


def test_a_missing_value_is_null_and_nan_again() -> None:
    assert numbers([math.nan, 1.5]) == (None, 1.5)
    first, second = floats((None, 1.5))
    assert math.isnan(first) and second == 1.5


def test_a_newer_form_and_an_empty_one_are_refused() -> None:
    for change in ({"schema_version": 2}, {"examples": ()}):
        with pytest.raises(ValidationError):
            Golden.model_validate({**golden(0.5).model_dump(), **change})
