"""Types of artifacts that several of our components read or write, beside TFX's standard ones."""

from tfx.types import Artifact

from nightlite.ondevice.report_files import REPORT_TYPE

# Property of SpanExampleGen's examples: the sources that their spans were made of, in words.
SOURCES = "sources"


class DataGates(Artifact):
    """DataGate's output for a span that passed: `gates.json`, and the labels' statistics for the next span."""

    TYPE_NAME = "DataGates"


class Report(Artifact):
    """A folder with `report.html`, `report.json`, `statistics.html` and `evaluations.html`."""

    TYPE_NAME = REPORT_TYPE
