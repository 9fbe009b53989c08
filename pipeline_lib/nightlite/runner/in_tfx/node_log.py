"""A node's log: lines with their level, without the useless messages of TFX and MLMD at every node."""

import logging
import os

from nightlite.runner.log_levels import prefixed

_NOISE = (
    "metadata_connection_config is not provided by IR",  # the settings have it: no password is compiled in
    "Fallback to non-ZetaSQL",  # ml-metadata 1.21 has no other way
    "`custom_executor_spec` is deprecated",  # the node stays TFX's Pusher, to Airflow and to MLMD
    "property_predicate is not supported",  # TFX's own queries ask for it, and do not need it
)


class _Marks:
    """Switch for levels on lines in this process."""

    wanted = False


def say(text: str, level: int = logging.INFO) -> None:
    """Write lines to the log at a level."""
    print(prefixed(text, level) if _Marks.wanted else text.rstrip("\n"), flush=True)


def quiet(progress: bool = False, levels: bool = False) -> None:
    """Filter the noise out of the log, in this process. Other warnings stay.

    `progress` also lets through LocalDagRunner's messages on each node, and no others. `levels` puts the level
    before each line that is a warning or an error.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3":  # its own setting for "errors come as exceptions"
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if levels:
        _mark_levels()
    logger = logging.getLogger("absl")
    logger.setLevel(logging.INFO if progress else logging.WARNING)
    if not any(isinstance(item, _NoiseFilter) for item in logger.filters):
        logger.addFilter(_NoiseFilter())


def _mark_levels() -> None:
    _Marks.wanted = True
    handler = logging.StreamHandler()
    handler.setFormatter(_LevelFormatter("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("tensorflow").handlers.clear()  # its own would write each line a second time
    logging.captureWarnings(True)


class _LevelFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return prefixed(super().format(record), record.levelno)


class _NoiseFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            return message.startswith("Component ") or "A cached execution" in message
        return not any(phrase in message for phrase in _NOISE)
