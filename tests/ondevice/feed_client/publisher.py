"""A feed of made-up releases with golden examples, and documents that an attacker or a roll-out makes of it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, GoldenExample
from nightlite.ondevice.feed import keys, signature
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.rollout.plan import AT_ONCE, Plan
from tests.ondevice.feed.made_feed import MadeFeed
from tests.ondevice.feed_client.phones import INPUT, OUTPUT
from tests.ondevice.releases.made_releases import describe

INPUTS = (0.5, -1.25e-05, None)  # with an exponent, and a missing value


@dataclass(frozen=True)
class Publisher(MadeFeed):
    """A publisher of made-up files: a file is a number in text, by which it multiplies its inputs."""

    def release_factor(self, factor: str, golden: float | None = None, plan: Plan = AT_ONCE) -> int:
        """Return the version of a new release of a file that multiplies by this.

        Args:
          golden: the factor of its golden examples; default: the same.
        """
        by = float(factor) if golden is None else golden
        outputs = tuple(-1.0 if value is None else value * by for value in INPUTS)
        example = GoldenExample(label="a", inputs={INPUT: INPUTS}, outputs={OUTPUT: outputs})
        return self.release_bytes(factor.encode(), (example,) * 10, plan)

    def release_bytes(self, content: bytes, examples: tuple[GoldenExample, ...], plan: Plan = AT_ONCE) -> int:
        """Return the version of a new release of this file."""

        def documents(manifest: Manifest) -> dict[str, bytes]:
            golden = Golden(sha256=manifest.sha256, tolerance=1e-05, examples=examples)
            return {GOLDEN_FILE: golden.model_dump_json().encode()}

        self.root.mkdir(parents=True, exist_ok=True)
        model = self.root / hashlib.sha256(content).hexdigest()
        model.write_bytes(content)
        about = describe(f"run-{model.name}")
        return self.releases.push(model, about, who="Pusher", documents=documents, plan=plan).release.version

    def put(self, document: dict[str, Any], key: ec.EllipticCurvePrivateKey | None = None) -> None:
        """Replace the stable channel's document by a signed one of this content."""
        content = json.dumps(document).encode()
        key = key or self.keys.private(self.keys.current)
        self.put_bytes(content, signature.text([signature.sign(content, key)]))

    def put_bytes(self, content: bytes, signatures: bytes) -> None:
        """Replace the stable channel's document and signatures."""
        (self.folder / "stable" / "latest.json").write_bytes(content)
        (self.folder / "stable" / "latest.json.sig").write_bytes(signatures)

    def put_offers(self, *offers: dict[str, Any]) -> None:
        """Publish a document with these offers."""
        before = self.document()
        self.put({**before, "sequence": before["sequence"] + 1, "offers": offers})

    @property
    def app_keys(self) -> dict[str, ec.EllipticCurvePublicKey]:
        """Return the keys that an app which is built now ships."""
        return keys.public_keys(self.keys.app_keys.read_bytes())
