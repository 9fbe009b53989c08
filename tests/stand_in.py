"""Stands in for the TFX environment's python: plays run_node's side of the contract as $BEHAVE says."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nightlite  # noqa: F401  (the operator must have put the project on the path)

parser = argparse.ArgumentParser()
parser.add_argument("-m", dest="module")
for name in ("pipeline", "node", "run-id", "parameters", "result", "grace"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--own-env", action="append")
parser.add_argument("--log-levels", action="store_true", required=True)
asked = parser.parse_args()

# A grandchild that ignores SIGTERM, keeps the log open, and says when it is ready.
STUBBORN = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()}\\n")
time.sleep(600)
"""


def result(state: str, **rest: object) -> None:
    outcome = {"node_id": asked.node, "run_id": asked.run_id, "state": state, **rest}
    Path(asked.result).write_text(json.dumps(outcome), encoding="utf-8")


def stubborn_grandchild() -> None:
    pid_file = Path(os.environ["PID_FILE"])
    subprocess.Popen([sys.executable, "-c", STUBBORN, pid_file])
    while not (pid_file.exists() and pid_file.read_text().endswith("\n")):
        time.sleep(0.02)


print(f"I1123 20:28:08.809919 4711 launcher.py:576] {asked.node} of {asked.run_id} in {os.getcwd()}")
print(
    f"E1123 20:28:08.809919 4711 launcher.py:576] {Path(asked.parameters).read_text(encoding='utf-8')}", file=sys.stderr
)

match os.environ["BEHAVE"]:
    case "complain":
        print("ERROR: printed by someone\n<4>lite: careful\n<3>Traceback:\n<3>  File\n<3>ValueError: bad")
        print("W0000 00:00:1795834607.272323   11711 a.cc:31] native")
        sys.exit(1)
    case "succeed":
        result("succeeded", execution_id=7)
    case "read and write":
        read = {"examples": [{"id": 1, "type": "Examples", "uri": "/pipelines/ExampleGen/examples/1"}]}
        written = {"model": [{"id": 2, "type": "Model", "uri": "s3://bucket/root/Trainer/model/7"}]}
        result("succeeded", execution_id=7, inputs=read, outputs=written, facts={"metrics": {"accuracy": 0.99}})
    case "cached":
        result("cached", execution_id=5)
    case "push":
        pushed = {"pushed_version": "3", "pushed_to": "/pushed/3", "pushed_sha256": "ab", "metrics": {"accuracy": 0.99}}
        result("succeeded", execution_id=7, pushed=True, facts={"outcome": "released", **pushed})
    case "nothing new":
        reason = "nothing new: release 3 is this very file already"
        facts = {"outcome": "nothing_new", "pushed_version": "3", "pushed_to": "/pushed/3"}
        result("skipped", pushed=False, facts=facts, reason=reason)
        sys.exit(99)
    case "skip":
        result("skipped", reason="not blessed: accuracy 0.91 < 0.97", blessed=False)
        sys.exit(99)
    case "fail":
        print("ValueError: no label in features")
        result("failed", reason="ValueError: no label in features", execution_id=8)
        sys.exit(1)
    case "refuse its data":
        result("failed", reason="DataError: the data is refused", final=True)
        sys.exit(3)
    case "crash":
        print("ImportError: cannot import name run_fn")
        sys.exit(1)
    case "usage":
        print("run_node: no such node")
        sys.exit(2)
    case "out of memory":
        os.kill(os.getpid(), signal.SIGKILL)
    case "say nothing":
        print("last words")
    case "truncate":
        Path(asked.result).write_text('{"node_id": "a", "run')
    case "fail once":
        tried = Path(os.environ["PID_FILE"])
        if not tried.exists():
            tried.touch()
            sys.exit(1)
        result("succeeded")
    case "leave a child":
        stubborn_grandchild()
        result("succeeded")
    case "hang":
        stubborn_grandchild()
        print("hanging")
        # More than a pipe holds: what a node says while it ends must be read, or it could not end.
        signal.signal(signal.SIGTERM, lambda *_: (print(("." * 1000 + "\n") * 100), print("tidied up"), sys.exit(143)))
        time.sleep(600)
    case "wait to be read":
        print("first line")
        deadline = time.monotonic() + 120
        while not Path(os.environ["PID_FILE"]).exists():
            if time.monotonic() > deadline:
                sys.exit(3)
            time.sleep(0.02)
        result("succeeded")
    case other:
        sys.exit(f"no such behaviour: {other}")
