"""Every error that this project raises on purpose.

MnistLiteError
├── SettingsError            a setting is missing, malformed or refused
├── CompiledPipelineError    the compiled pipeline file cannot be used
├── NodeRequestError         run_node was asked for something that it cannot run
├── DataError                input data is not what it says it is
│   ├── UnclearPictureError  a picture does not show one digit clearly
│   ├── DownloadError        a public file could not be fetched
│   └── DataRefusedError     a gate refused it
├── ModelFileError           a model file is not fit to ship
├── ReleaseError             a release is missing, damaged or not what was signed
├── NoticeError              somebody could not be told what a run came to
└── StackError               Airflow cannot be started, reached or stopped
    └── RunRefusedError      Airflow will not start a run as it was asked for

Each message is one sentence or two: what was expected, what was received, what to do next. Command lines print it
without a traceback and exit 1 (2 for usage).
"""


class MnistLiteError(Exception):
    """Base of all the errors that a user can act on."""


class SettingsError(MnistLiteError):
    """A setting is missing, malformed or refused."""


class CompiledPipelineError(MnistLiteError):
    """The compiled pipeline file is missing, truncated, outdated or holds what cannot be run."""


class NodeRequestError(MnistLiteError):
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


class DownloadError(DataError):
    """A public data file could not be fetched whole."""


class ModelFileError(MnistLiteError):
    """A model file is not fit to ship."""


class ReleaseError(MnistLiteError):
    """A release is missing, damaged, not what was signed, or cannot be made, moved or removed."""


class NoticeError(MnistLiteError):
    """Somebody could not be told what a run came to."""


class StackError(MnistLiteError):
    """Airflow cannot be started, reached or stopped, or does not do what it was asked to."""


class RunRefusedError(StackError):
    """Airflow will not start a run as it was asked for: an unknown parameter, a value out of bounds, a bad run id."""
