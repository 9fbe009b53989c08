"""Folder of releases: `VERSION/`, `latest` (a link to one of them) and `history.jsonl`.

Only one process writes at a time (`nightlite/locks.py`). Readers need no lock. A version's folder appears whole and
never changes. `latest` moves last. Version numbers only grow, and a pruned one is not reused.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.manifest import (
    LABELS_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    Description,
    Manifest,
    sha256_of,
)
from nightlite.ondevice.releases.policy import ANY_BLESSED, Policy
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.writer import ReleaseWriter
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.rollout.plan import AT_ONCE, Plan
from nightlite.ondevice.rollout.words import begins

Signer = Callable[[Path], None]
# The content of a release's further files by name, of its manifest without them.
Documents = Callable[[Manifest], Mapping[str, bytes]]


@dataclass(frozen=True)
class Push:
    """Result of a push, with the reason in words. `release` is the new one, or else the latest."""

    outcome: Outcome  # released, nothing_new, refused, rolled_back or no_better
    release: Release
    why: str


class Releases(ReleaseWriter):
    """The releases in one folder, which need not exist yet, with pushes."""

    def push(
        self,
        model: Path,
        description: Description,
        *,
        who: str,
        sign: Signer | None = None,
        policy: Policy = ANY_BLESSED,
        documents: Documents | None = None,
        plan: Plan = AT_ONCE,
    ) -> Push:
        """Release a model file, unless it has been released already.

        Another push of the same file by the same run completes or finds the first one. A file that `latest` holds
        is nothing new. A file that someone halted or rolled back from stays withdrawn for every run. Otherwise the
        next run would undo that, and a retry would announce a release that phones do not get.

        Args:
          model: the TFLite file.
          description: goes to the manifest.
          who: goes to the history.
          sign: signs a complete version folder in place.
          policy: returns the reason why a file must not replace the latest.
          documents: returns the golden examples and the model card.
          plan: the shares of phones that get it one after another.

        Raises:
          ReleaseError: it could not be written, and the releases are unchanged.
        """
        why = f"run {description.run_id}"
        with self._writing():
            sha256 = sha256_of(model)
            if release := self._of_this_run(sha256, description.run_id, who, plan):
                if withdrawn := self._withdrawn(sha256, release):
                    return withdrawn
                return Push(
                    Outcome.released, release, f"pushed as release {release.version} by an earlier try of this run"
                )
            if known := self.known(model, must_be_signed=sign is not None, policy=policy):
                return known
            release = self._write(model, sha256, description, sign, documents or (lambda _: {}))
            permille = self.state().first_share(plan)
            self._change("push", release, who, why, permille)
            return Push(Outcome.released, release, f"pushed as release {release.version}{begins(permille)}")

    def known(self, model: Path, *, must_be_signed: bool = False, policy: Policy = ANY_BLESSED) -> Push | None:
        """Return the result of a push of this file if it would make no release, else None."""
        sha256 = sha256_of(model)
        try:
            found = self.latest_model()
        except ReleaseError:
            return None  # damaged: the same file may be pushed again
        if not found:
            return None
        latest, _ = found
        if why := policy.unannounced_change(latest, self):
            return Push(Outcome.refused, latest, f"refused: {why}")
        # The same file with another meaning of its inputs or labels is a new release.
        is_latest = latest.manifest.sha256 == sha256 and not policy.changes_contract(latest)
        if is_latest and (latest.is_signed or not must_be_signed):
            return Push(Outcome.nothing_new, latest, f"nothing new: release {latest.version} is this very file already")
        if withdrawn := self._withdrawn(sha256, latest):
            return withdrawn
        if is_latest:
            return None  # again, to be signed
        # A newer one was not replaced by it.
        events = [event for event in self.history() if event.version < latest.version]
        pushed = {event.sha256: event.version for event in events if event.action == "push"}
        why = policy.no_better(sha256, latest, pushed)
        return Push(Outcome.no_better, latest, why) if why else None

    def preview(self, model: Path, *, signed: bool = False, policy: Policy = ANY_BLESSED) -> str:
        """Return the result of a `push` in words, without pushing.

        Raises:
          ReleaseError: the history cannot be read.
        """
        known = self.known(model, must_be_signed=signed, policy=policy)
        return known.why if known else f"release {self._next_version()} would have been made"

    def _of_this_run(self, sha256: str, run_id: str, who: str, plan: Plan) -> Release | None:
        for version in reversed(self.versions()):
            with contextlib.suppress(ReleaseError):
                release = self.release(version)
                if (release.manifest.sha256, release.manifest.run_id) == (sha256, run_id):
                    self._complete(release, who, plan)
                    return release
        return None

    def _complete(self, release: Release, who: str, plan: Plan) -> None:
        """Finish a push that was killed before it was recorded."""
        if all(event.version != release.version for event in self.history() if event.action != "prune"):
            why = f"run {release.manifest.run_id}, completed by a retry"
            self._change("push", release, who, why, self.state().first_share(plan))

    def _withdrawn(self, sha256: str, release: Release) -> Push | None:
        events = self.history()
        event = history.withdrawn(events).get(sha256)
        if not event:
            return None
        pushed = max(item.version for item in events if (item.action, item.sha256) == ("push", sha256))
        done = "halted" if event.action == "halt" else "rolled back from"
        why = f"not pushed: {event.who} {done} this very file ({event.why})"
        if pushed in self.versions():
            command = "rollout" if event.action == "halt" else "rollback"
            why += f"; only 'nightlite models {command} --model {self.model} {pushed}' brings it back"
        return Push(Outcome.rolled_back, release, why)

    def _next_version(self) -> int:
        return max([*self.versions(), *(event.version for event in self.history())], default=0) + 1

    def _write(
        self, model: Path, sha256: str, description: Description, sign: Signer | None, documents: Documents
    ) -> Release:
        version = self._next_version()
        path = self.folder / str(version)
        with durable.new_folder(path) as folder:
            shutil.copyfile(model, folder / MODEL_FILE)
            manifest = Manifest(
                **dict(description),
                version=version,
                created=datetime.now(UTC),
                sha256=sha256,
                size_bytes=(folder / MODEL_FILE).stat().st_size,
            )
            further = documents(manifest)
            for name, content in further.items():
                (folder / name).write_bytes(content)
            sums = {name: hashlib.sha256(content).hexdigest() for name, content in further.items()}
            manifest = manifest.model_copy(update={"files": sums})
            (folder / LABELS_FILE).write_text("".join(f"{label}\n" for label in manifest.labels), encoding="utf-8")
            (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
            Release(folder, manifest).verify()
            if sign:
                sign(folder)
        return Release(path, manifest)
