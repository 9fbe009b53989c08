"""Every error that this project raises on purpose.

MnistLiteError
├── UsageError               a command was asked for something that there is not, or in words that it does not take
│   └── NodeRequestError     run_node was asked for something that it cannot run
├── SettingsError            a setting is missing, malformed or refused
├── CompiledPipelineError    the compiled pipeline file cannot be used
├── DataError                input data is not what it says it is
│   ├── UnclearPictureError  a picture does not show one digit clearly
│   ├── NoSourceError        there is no such source (a UsageError, too)
│   ├── DownloadError        a public file could not be fetched
│   └── DataRefusedError     a gate refused it
├── ModelFileError           a model file is not fit to ship
├── ReleaseError             a release is missing, damaged or not what was signed
│   └── NoReleaseError       there is no release of that version (a UsageError, too)
└── StackError               Airflow cannot be started, reached or stopped
    └── RefusedError         Airflow answered, and did not do what it was asked to
        ├── NoRunError       there is no run of that id (a UsageError, too)
        └── RunRefusedError  Airflow will not start a run as it was asked for (a UsageError, too)

Each message is one sentence or two: what was expected, what was received, what to do next. Command lines print it
without a traceback and exit 2 for a UsageError, 1 for any other.
"""


class MnistLiteError(Exception):
    """Base of all the errors that a user can act on."""


class UsageError(MnistLiteError):
    """A command was asked for something that there is not, or in words that it does not take: exit code 2."""


class SettingsError(MnistLiteError):
    """A setting is missing, malformed or refused."""


class CompiledPipelineError(MnistLiteError):
    """The compiled pipeline file is missing, truncated, outdated or holds what cannot be run."""


class NodeRequestError(UsageError):
    """run_node was asked for a node, parameter or run that it cannot run."""


class DataError(MnistLiteError):
    """Input data is truncated, corrupt, mismatched or of another shape."""


class UnclearPictureError(DataError):
    """A picture does not show one digit. The message says what it shows instead; the caller names the picture."""


class DataRefusedError(DataError):
    """A gate refused the data. `report` is the page that shows why, None where it could not be drawn."""

    def __init__(self, sentence: str, report: str | None):
        super().__init__(sentence)
        self.report = report


class NoSourceError(DataError, UsageError):
    """There is no such source of data."""


class DownloadError(DataError):
    """A public data file could not be fetched whole."""


class ModelFileError(MnistLiteError):
    """A model file is not fit to ship."""


class ReleaseError(MnistLiteError):
    """A release is missing, damaged, not what was signed, or cannot be made, moved or removed."""


class NoReleaseError(ReleaseError, UsageError):
    """There is no release of that version."""


class StackError(MnistLiteError):
    """Airflow cannot be started, reached or stopped, or does not do what it was asked to."""


class RefusedError(StackError):
    """Airflow answered, and did not do what it was asked to."""


class NoRunError(RefusedError, UsageError):
    """There is no run of that id."""


class RunRefusedError(RefusedError, UsageError):
    """Airflow will not start a run as it was asked for: an unknown parameter, a value out of bounds, a bad run id."""
