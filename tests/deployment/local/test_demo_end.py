"""The end of a demo: an example, drawn, with the release's answer."""

import io

import pytest
from rich.console import Console

from models.mnist.on_device import MODEL as MNIST
from models.penguins.on_device import MODEL as PENGUINS
from nightlite.deployment.local.demo_end import draw, print_next, show_example
from nightlite.ondevice.model import Picture

# Two columns: white over black, black over white.
SQUARE, VALUES = Picture(width=2, height=2, black=0, white=1), [1.0, 0.0, 0.0, 1.0]


def console(*, colours: bool = False, encoding: str = "utf-8", width: int = 80) -> Console:
    return Console(
        file=io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True),
        width=width,
        force_terminal=colours,
        color_system="truecolor" if colours else None,
    )


def printed(found: Console) -> str:
    found.file.seek(0)
    return found.file.read()


def test_colours_draw_two_pixels_in_a_half_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = draw(SQUARE, VALUES, console(colours=True))
    assert drawn.plain == "▀▀"
    assert [span.style for span in drawn.spans] == [
        "rgb(255,255,255) on rgb(0,0,0)",
        "rgb(0,0,0) on rgb(255,255,255)",
    ]


def test_no_color_draws_shades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = draw(SQUARE, [1.0, 0.0, 1.0, 0.0], console(colours=True))
    assert (drawn.plain, drawn.spans) == (" █", [])


def test_an_ascii_terminal_gets_ascii() -> None:
    assert draw(SQUARE, [1.0, 0.0, 1.0, 0.0], console(encoding="ascii")).plain == " #"


def test_an_odd_height_and_three_channels_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    red = draw(Picture(width=1, height=1, channels=3, black=0, white=1), [1.0, 0.0, 0.0], console(colours=True))
    assert [span.style for span in red.spans] == ["rgb(255,0,0) on rgb(0,0,0)"]


@pytest.mark.parametrize("width", [80, 100])
def test_a_digit_is_shown_with_its_answer_and_its_true_label(width: int) -> None:
    said = console(width=width)
    answer = {"label": "7", "probabilities": {"7": 0.998, "1": 0.002}}
    inputs = {MNIST.features[0].tensor.name: [-0.5] * 392 + [0.5] * 392}
    show_example(MNIST, {"release": 3, "inputs": inputs, "label": "9", "answer": answer}, said)
    lines = printed(said).splitlines()
    assert [line.strip() for line in lines[:14]] == [""] * 7 + ["█" * 28] * 7
    assert lines[14].startswith("Release 3 reads this digit as 7, 99.8")
    assert lines[15].startswith("It is 9, from the eval split")


def test_a_row_is_shown_in_raw_values_and_words() -> None:
    said = console()
    inputs = {feature.tensor.name: [0.0] for feature in PENGUINS.features}
    first = PENGUINS.features[0].tensor.name
    inputs[first] = [None]  # type: ignore[list-item]
    answer = {"label": PENGUINS.labels[0], "probabilities": {PENGUINS.labels[0]: 1.0}}
    show_example(PENGUINS, {"release": 1, "inputs": inputs, "label": PENGUINS.labels[0], "answer": answer}, said)
    text = printed(said)
    assert any(line.split() == [first, "missing"] for line in text.splitlines())
    words = [feature.meaning.vocabulary[0] for feature in PENGUINS.features if feature.meaning.vocabulary]
    assert words and all(word in text for word in words)


def test_three_commands_are_named_to_try_next() -> None:
    said = console()
    print_next(PENGUINS, said)
    assert printed(said).count("  ./nightlite ") == 3
    assert "predict --model penguins ROWS.csv" in printed(said)
