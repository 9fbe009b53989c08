"""A node's log after one of its forked Beam workers has died: a sentence, without Beam's tracebacks.

Beam logs about 200 lines on the broken connections. They tell nothing that the sentence on the death does not.
"""

import logging
import threading

import grpc
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import data_plane

from nightlite.runner.in_tfx.beam.forked_workers import Forker

_excepthook = threading.excepthook


def has_one() -> bool:
    """Return whether a worker of this node has died."""
    return bool(Forker.of_this_process and Forker.of_this_process.first_death)


def quiet() -> None:
    """Keep these tracebacks out of this process's log, if it is a node with a forker of Beam workers."""
    if not Forker.of_this_process:
        return
    logging.getLogger(worker_handlers.__name__).addFilter(_is_no_closing)
    logging.getLogger(data_plane.__name__).addFilter(_is_no_lost_connection)
    threading.excepthook = _tell


def _is_no_closing(_record: logging.LogRecord) -> bool:
    return not has_one()


def _is_no_lost_connection(record: logging.LogRecord) -> bool:
    # The connection breaks before the death is known.
    return not (record.exc_info and _is_rpcs(record.exc_info[0]))


def _tell(what: threading.ExceptHookArgs) -> None:
    if not _is_rpcs(what.exc_type):  # of a thread that reads what a worker sends
        _excepthook(what)


def _is_rpcs(kind: type[BaseException] | None) -> bool:
    return kind is not None and issubclass(kind, grpc.RpcError)
