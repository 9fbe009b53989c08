"""What a node's log leaves out: lines that TFX and MLMD write at every node and that mean nothing to a reader."""

import logging

_NOISE = (
    "metadata_connection_config is not provided by IR",  # the settings have it: no password is compiled in
    "Fallback to non-ZetaSQL",  # ml-metadata 1.21 has no other way
    "property_predicate is not supported",  # TFX's own queries ask for it, and do not need it
)


def quiet() -> None:
    """Filter the noise out of absl's log, in this process; warnings of another kind stay."""
    logger = logging.getLogger("absl")
    logger.setLevel(logging.WARNING)
    if not any(isinstance(item, _NoiseFilter) for item in logger.filters):
        logger.addFilter(_NoiseFilter())


class _NoiseFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(phrase in record.getMessage() for phrase in _NOISE)
