"""Line of a node's log while it waits for the warm server. Clients that watch the run know it."""

from typing import Final

WAITING: Final = "waiting while the warm server imports TFX: 20 s, once for all nodes"
