"""Folder of releases: `VERSION/`, `latest` (a link to one of them) and `history.jsonl`.

Only one process writes at a time (`nightlite/locks.py`). Readers need no lock. A version's folder appears whole and
never changes. `latest` moves last. Version numbers only grow, and a pruned one is not reused.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.locks import lock
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.anchor import anchors_of
from nightlite.ondevice.releases.history import Event
from nightlite.ondevice.releases.manifest import (
    LABELS_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    Description,
    Manifest,
    sha256_of,
)
from nightlite.ondevice.releases.policy import ANY_BLESSED, Policy
from nightlite.ondevice.releases.reader import LATEST, ReleaseReader
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.results.outcome import Outcome

Action = Literal["push", "rollback", "prune"]
Signer = Callable[[Path], None]
# The content of a release's further files by name, of its manifest without them.
Documents = Callable[[Manifest], Mapping[str, bytes]]


@dataclass(frozen=True)
class Push:
    """Result of a push, with the reason in words. `release` is the new one, or else the latest."""

    outcome: Outcome  # released, nothing_new, refused, rolled_back or no_better
    release: Release
    why: str


class Releases(ReleaseReader):
    """The releases in one folder, which need not exist yet. Each change takes the lock."""

    def push(
        self,
        model: Path,
        description: Description,
        *,
        who: str,
        sign: Signer | None = None,
        policy: Policy = ANY_BLESSED,
        documents: Documents | None = None,
    ) -> Push:
        """Release a model file, unless it has been released already.

        Another push of the same file by the same run completes or finds the first one. A file that `latest` holds
        is nothing new. A file that someone rolled back from stays withdrawn for every run. Otherwise the next run
        would undo the rollback, and a retry would announce a release that phones do not get.

        Args:
          model: the TFLite file.
          description: goes to the manifest.
          who: goes to the history.
          sign: signs a complete version folder in place.
          policy: returns the reason why a file must not replace the latest.
          documents: returns the golden examples and the model card.

        Raises:
          ReleaseError: it could not be written, and the releases are unchanged.
        """
        why = f"run {description.run_id}"
        with self._writing():
            sha256 = sha256_of(model)
            if release := self._of_this_run(sha256, description.run_id, who):
                if withdrawn := self._withdrawn(sha256, release):
                    return withdrawn
                return Push(
                    Outcome.released, release, f"pushed as release {release.version} by an earlier try of this run"
                )
            if known := self.known(model, must_be_signed=sign is not None, policy=policy):
                return known
            release = self._write(model, sha256, description, sign, documents or (lambda _: {}))
            self._move_latest("push", release, who, why)
            return Push(Outcome.released, release, f"pushed as release {release.version}")

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
        pushed = {event.sha256: event.version for event in self.history() if event.action == "push"}
        why = policy.no_better(sha256, latest, pushed)
        return Push(Outcome.no_better, latest, why) if why else None

    def preview(self, model: Path, *, signed: bool = False, policy: Policy = ANY_BLESSED) -> str:
        """Return the result of a `push` in words, without pushing.

        Raises:
          ReleaseError: the history cannot be read.
        """
        known = self.known(model, must_be_signed=signed, policy=policy)
        return known.why if known else f"release {self._next_version()} would have been made"

    def _of_this_run(self, sha256: str, run_id: str, who: str) -> Release | None:
        for version in reversed(self.versions()):
            with contextlib.suppress(ReleaseError):
                release = self.release(version)
                if (release.manifest.sha256, release.manifest.run_id) == (sha256, run_id):
                    self._complete(release, who)
                    return release
        return None

    def _complete(self, release: Release, who: str) -> None:
        """Finish a push that was killed before it was recorded, or after that but before `latest` moved."""
        moves = [event for event in self.history() if event.action != "prune"]
        if all(event.version != release.version for event in moves):
            self._move_latest("push", release, who, f"run {release.manifest.run_id}, completed by a retry")
        elif (moves[-1].action, moves[-1].version) == ("push", release.version):
            durable.link(self.folder / LATEST, str(release.version))

    def _withdrawn(self, sha256: str, release: Release) -> Push | None:
        events = self.history()
        event = history.withdrawn(events).get(sha256)
        if not event:
            return None
        pushed = max(item.version for item in events if (item.action, item.sha256) == ("push", sha256))
        why = f"not pushed: {event.who} rolled back from this very file ({event.why})"
        if pushed in self.versions():
            why += f"; only 'nightlite models rollback --model {self.model} {pushed}' brings it back"
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

    def rollback(self, version: int, *, who: str, why: str) -> Release:
        """Point `latest` to another release, older or newer.

        Raises:
          ReleaseError: there is no such release, it is damaged, or `latest` points to it already.
        """
        with self._writing():
            release = self.release(version)
            release.verify()
            if self.latest_version() == version:
                raise ReleaseError(f"release {version} is the latest already")
            self._move_latest("rollback", release, who, why)
            return release

    def prune(self, keep: int, *, who: str, why: str) -> list[int]:
        """Remove all but the newest `keep` releases (at least 1), the latest one, and their anchors.

        The next run's model is compared with them, also after a rollback.

        Returns:
          The versions removed.
        """
        with self._writing():
            latest = self.latest_version()
            kept = {*self.versions()[-keep:], *([] if latest is None else [latest])}
            kept |= anchors_of(self, kept)
            versions = [version for version in self.versions() if version not in kept]
            for version in versions:
                sha256 = ""
                with contextlib.suppress(ReleaseError):
                    sha256 = self.release(version).manifest.sha256
                self._record("prune", version, sha256, latest, who, why)
                durable.remove(self.folder / str(version))
            return versions

    def _move_latest(self, action: Action, release: Release, who: str, why: str) -> None:
        self._record(action, release.version, release.manifest.sha256, self.latest_version(), who, why)
        durable.link(self.folder / LATEST, str(release.version))

    def _record(self, action: Action, version: int, sha256: str, previous: int | None, who: str, why: str) -> None:
        now = datetime.now(UTC)
        event = Event(action=action, version=version, sha256=sha256, previous=previous, when=now, who=who, why=why)
        history.append(self.folder, event)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with lock(self.folder, waiting_for="another push, rollback or prune"):
                durable.clear_unfinished(self.folder)
                yield
        except OSError as error:
            where = error.filename2 or error.filename or self.folder  # for a copy, the file being written
            raise ReleaseError(f"{where}: the releases cannot be changed: {error.strerror or error}") from None
