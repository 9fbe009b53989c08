"""The listening socket of a warm server, and the file that clients find it by."""

import contextlib
import os
import socket
import struct
from pathlib import Path

from nightlite.runner.in_tfx.warm.lock import mark


class Listener:
    """A socket that accepts this user's connections only. Another server may replace its file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        self._socket.listen(64)
        self._socket.setblocking(False)
        self._made = mark(path)

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> socket.socket | None:
        """Return a new connection, or None if its client has gone already.

        Raises:
          PermissionError: it is another user's, and closed.
        """
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._socket.accept()
            if (uid := peer_uid(connection)) != os.getuid():
                connection.close()
                raise PermissionError(f"refused a connection from uid {uid}")
            return connection
        return None

    def is_replaced(self) -> bool:
        """Return whether the file is gone, or another server's."""
        return mark(self._path) != self._made

    def close(self) -> None:
        """Remove the file, unless it is another server's, and close the socket."""
        # Unlinked first, so that a new client starts a new server.
        if not self.is_replaced():
            self._path.unlink(missing_ok=True)
        self._socket.close()


def peer_uid(connection: socket.socket) -> int:
    """Return the uid of the process at the other end of a Unix socket.

    See unix(7), SO_PEERCRED, and getpeereid(3) on macOS.
    """
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    # struct xucred from sys/ucred.h: version, uid, ...
    credentials = connection.getsockopt(0, 1, 76)
    return int(struct.unpack_from("2I", credentials)[1])
