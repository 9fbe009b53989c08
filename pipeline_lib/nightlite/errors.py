"""Every error that this project raises on purpose.

NightliteError
├── UsageError               a command was called with a wrong name, value or option
│   └── NodeRequestError     run_node was asked for something that it cannot run
├── SettingsError            a setting is missing, malformed or refused
├── ModelDeclarationError    a MODEL declares something that cannot be used
├── CompiledPipelineError    the compiled pipeline file cannot be used
├── EngineError              an engine that runs a node's Beam job does not answer, or was lost
├── DataError                input data is malformed
│   ├── NoSourceError        there is no such source (also a UsageError)
│   ├── DownloadError        a public file could not be fetched
│   └── DataRefusedError     a gate refused it
├── ModelFileError           a model file is not fit to ship
├── ReleaseError             a release is missing, damaged or differs from its signature
│   └── NoReleaseError       there is no release of that version (also a UsageError)
├── FeedError                the feed of phones, or its keys, cannot be read or written
│   └── FeedRefusedError     what a feed's server sends is not what its publisher signed, or does not run here
└── StackError               Airflow cannot be started, reached or stopped
    └── RefusedError         Airflow answered, but refused the request
        ├── NoRunError       there is no run of that id (also a UsageError)
        └── RunRefusedError  Airflow will not start such a run (also a UsageError)

Each message is one or two sentences: what was expected, what was received, what to do next. Command lines print it
without a traceback and exit 2 for a UsageError, 1 for any other.
"""

from collections.abc import Mapping


class NightliteError(Exception):
    """Base of all the errors that a user can act on."""


class UsageError(NightliteError):
    """A command was called with a wrong name, value or option: exit code 2."""


class SettingsError(NightliteError):
    """A setting is missing, malformed or refused."""


class ModelDeclarationError(NightliteError):
    """A MODEL declares something that cannot be used."""


class CompiledPipelineError(NightliteError):
    """The compiled pipeline file is missing, truncated, outdated or cannot be run."""


class NodeRequestError(UsageError):
    """run_node was asked for a node, parameter or run that it cannot run."""


class EngineError(NightliteError):
    """An engine that runs a node's Beam job does not answer, or was lost."""


class DataError(NightliteError):
    """Input data is truncated, corrupt, mismatched or of another shape. `facts` go into the node's result."""

    facts: Mapping[str, str] = {}


class DataRefusedError(DataError):
    """A gate refused the data. `report` is the page with the reason, or None if it could not be drawn."""

    def __init__(self, sentence: str, report: str | None):
        super().__init__(sentence)
        self.report = report
        self.facts = {"report": report} if report else {}


class NoSourceError(DataError, UsageError):
    """There is no such source of data."""


class DownloadError(DataError):
    """A public data file could not be fetched whole."""


class ModelFileError(NightliteError):
    """A model file is not fit to ship."""


class ReleaseError(NightliteError):
    """A release is missing, damaged, differs from its signature, or cannot be made, moved or removed."""


class NoReleaseError(ReleaseError, UsageError):
    """There is no release of that version."""


class WebRuntimeError(NightliteError):
    """The browsers' runtime was not built."""


class FeedError(NightliteError):
    """The feed that phones read, or its keys, cannot be made, read or written."""


class FeedRefusedError(FeedError):
    """A feed's file is not the one that its publisher signed, or does not run here."""


class StackError(NightliteError):
    """Airflow cannot be started, reached or stopped, or does not do what it was asked to."""


class RefusedError(StackError):
    """Airflow answered, but refused the request."""


class NoRunError(RefusedError, UsageError):
    """There is no run of that id."""


class RunRefusedError(RefusedError, UsageError):
    """Airflow will not start such a run: an unknown parameter, a value out of bounds, a bad run id."""
