"""What a log leaves out: lines that TFX and MLMD write at every node and that mean nothing to a reader."""

import logging

_NOISE = (
    "metadata_connection_config is not provided by IR",  # the settings have it: no password is compiled in
    "Fallback to non-ZetaSQL",  # ml-metadata 1.21 has no other way
    "`custom_executor_spec` is deprecated",  # the node stays TFX's Pusher, to Airflow and to MLMD
    "property_predicate is not supported",  # TFX's own queries ask for it, and do not need it
)


def quiet(progress: bool = False) -> None:
    """Filter the noise out of absl's log, in this process; warnings of another kind stay.

    `progress` also lets through what TFX's LocalDagRunner says of each node, and of nothing else.
    """
    logger = logging.getLogger("absl")
    logger.setLevel(logging.INFO if progress else logging.WARNING)
    if not any(isinstance(item, _NoiseFilter) for item in logger.filters):
        logger.addFilter(_NoiseFilter())


class _NoiseFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            return message.startswith("Component ") or "A cached execution" in message
        return not any(phrase in message for phrase in _NOISE)
