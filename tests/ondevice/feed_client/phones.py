"""Phones with both clients of a feed: that of `nightlite feed fetch`, and ModelFeed.java in a JVM."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from nightlite.errors import FeedError, FeedRefusedError
from nightlite.ondevice.contract.golden import Golden, floats
from nightlite.ondevice.feed.keys import pem_of
from nightlite.ondevice.feed_client.acceptance import Expected
from nightlite.ondevice.feed_client.client import App, FeedClient
from nightlite.ondevice.feed_client.memory import CURRENT, ClientFolder
from nightlite.paths import PROJECT
from tests.ondevice.feed.made_feed import NOON

JAVA_FILE = PROJECT / "docs" / "phone" / "ModelFeed.java"
HARNESS = Path(__file__).with_name("Phone.java")
# Made-up files are numbers in text, by which this input is multiplied. Its name is not ASCII, as an app's may be.
INPUT, OUTPUT = "größe", "p"


@dataclass(frozen=True)
class Happened:
    """Result of an update: `done`, `failed` (try again) or `refused` (report it)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Asked:
    """An update of a feed, by an app."""

    url: str
    keys: Mapping[str, EllipticCurvePublicKey]
    model: str = "tiny"
    channel: str = "stable"
    installation: str = "one"
    app_version: int = 1
    runtime_version: str = "litert"
    now: datetime = NOON


@dataclass
class PythonPhone:
    """A phone with the client of `nightlite feed fetch`."""

    folder: Path
    had: bool = False

    def update(self, asked: Asked) -> Happened:
        self.had = ClientFolder(self.folder).current() is not None
        app = App(asked.installation, asked.app_version, asked.runtime_version, run_golden)
        expected = Expected(asked.model, asked.channel, asked.keys)
        client = FeedClient(asked.url, expected, app, ClientFolder(self.folder), lambda: asked.now)
        try:
            return Happened("done", str(client.fetch()))
        except FeedRefusedError as error:
            return Happened("refused", str(error))
        except FeedError as error:
            return Happened("failed", str(error))

    def file(self) -> bytes | None:
        """Return the content of the last good file."""
        folder = ClientFolder(self.folder)
        return (self.folder / CURRENT / "model.tflite").read_bytes() if folder.current() else None

    def labels(self) -> list[str]:
        return (self.folder / CURRENT / "labels.txt").read_text().splitlines()

    def had_file(self) -> bool:
        return self.had


@dataclass
class JavaPhone:
    """A phone with ModelFeed.java. All of them share a JVM."""

    folder: Path
    jvm: subprocess.Popen[str]
    said: list[str] = field(default_factory=lambda: ["", "", "", "", ""])

    def update(self, asked: Asked) -> Happened:
        keys = ",".join(x509(key) for key in asked.keys.values())
        about = (asked.installation, str(asked.app_version), asked.runtime_version, f"{asked.now:%Y-%m-%dT%H:%M:%SZ}")
        line = "\t".join((asked.url, asked.model, asked.channel, keys, *about, str(self.folder)))
        assert self.jvm.stdin and self.jvm.stdout
        print(line, file=self.jvm.stdin, flush=True)
        self.said = self.jvm.stdout.readline().rstrip("\n").split("\t")
        return Happened(self.said[0], self.said[1])

    def file(self) -> bytes | None:
        return Path(self.said[2]).read_bytes() if self.said[2] else None

    def labels(self) -> list[str]:
        return self.said[3].split(",")

    def had_file(self) -> bool:
        """Return whether there was a good file before the last update."""
        return self.said[4] == "true"


Phone = PythonPhone | JavaPhone


def started_jvm(classes: Path) -> "subprocess.Popen[str]":
    """Compile ModelFeed.java with the harness, and return a JVM that runs it."""
    compiled = ["javac", "--release", "11", "-Xlint:all", "-Werror", "-d", str(classes), str(JAVA_FILE), str(HARNESS)]
    subprocess.run(compiled, check=True)
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", str(classes), "Phone"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def has_jdk() -> bool:
    return bool(shutil.which("javac") and shutil.which("java"))


def x509(key: EllipticCurvePublicKey) -> str:
    """Return a public key as docs/phone.md has it: what is between BEGIN and END."""
    return "".join(pem_of(key).decode().splitlines()[1:-1])


@dataclass(frozen=True)
class _Result:
    agreeing: int
    passed: bool


def run_golden(content: bytes, golden: Golden) -> _Result:
    """Run the golden examples of a made-up file."""
    factor = float(content)
    agreeing = 0
    for example in golden.examples:
        found = [-1 if value != value else value * factor for value in floats(example.inputs[INPUT])]
        wanted = floats(example.outputs[OUTPUT])
        agreeing += all(abs(one - other) <= golden.tolerance for one, other in zip(found, wanted, strict=True))
    return _Result(agreeing, agreeing == len(golden.examples))


def at(asked: Asked, **changes: object) -> Asked:
    """Return the same request with changes."""
    return replace(asked, **changes)  # type: ignore[arg-type]
