"""Ports and sockets of a process, and another user's try at them. Beam's workers import it, so it imports little."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil

NOBODY = 65534


def listening_ports(*processes: psutil.Process) -> set[str]:
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that another worker asks with
            for item in process.net_connections("tcp"):
                if item.status == psutil.CONN_LISTEN:
                    found.add(item.laddr.ip.removeprefix("::ffff:"))
    return found


def listening_sockets(process: psutil.Process) -> set[str]:
    """Return the paths of a process's Unix sockets that listen; gRPC's clients have no path."""
    return {item.laddr for item in process.net_connections("unix") if item.laddr}


def ask_as_nobody(address: str) -> str:
    """Connect to a Unix socket as another user; say what came of it."""
    ask = (
        f"import os, socket, sys; os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n"
        "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('connected')\n"
        "except OSError as error: print(type(error).__name__)"
    )
    command = [sys.executable, "-S", "-c", ask, address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def look_around(number: int, found: str) -> int:
    """Write down, once in a forked worker, where its node and the node's children listen and what others get there."""
    file = Path(found, f"{os.getpid()}.json")
    if file.exists():
        return number
    node = psutil.Process(os.getppid()).parent()
    assert node
    sockets = listening_sockets(node)
    told = {
        "ports": sorted(listening_ports(node, *node.children(recursive=True))),
        "sockets": sorted(sockets),
        "others": sorted({ask_as_nobody(path) for path in sockets}) if os.getuid() == 0 else [],
        "own": sorted({_connect(path) for path in sockets}),
    }
    file.write_text(json.dumps(told))
    return number


def _connect(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    return "connected"


def note_ports(number: int, file: str) -> int:
    Path(file).write_text(json.dumps(sorted(listening_ports(psutil.Process()))))
    return number
