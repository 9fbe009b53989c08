"""A model's words for reports, of no model here."""

from nightlite.ondevice.model import ModelCard, Words
from nightlite.ondevice.task import Classification

CARD = ModelCard(
    title="Flowers of a meadow",
    task=Classification(labels=("rose", "tulip", "daisy")),
    words=Words(one="flower", many="flowers"),
    intended_use="Names a flower.",
    limits="It knows no weeds.",
    data_licence="CC0",
)
