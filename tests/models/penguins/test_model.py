"""The model itself: a tiny training of it gives files that keep its contract."""

from pathlib import Path

from models.penguins.on_device import MODEL
from nightlite.ondevice.in_tfx.model_check.check_model import check_model


def test_it_trains_a_tiny_epoch_and_its_file_keeps_the_contract_in_every_quantization(tmp_path: Path) -> None:
    *_, last = check_model(MODEL, tmp_path / "data")
    assert last.startswith("quantization int8: ")
