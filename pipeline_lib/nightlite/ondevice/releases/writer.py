"""Changes of the releases that phones get: rollback, rollout, halt, growth, prune. Each takes the lock."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.locks import lock
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.anchor import anchors_of
from nightlite.ondevice.releases.offers import offered_versions
from nightlite.ondevice.releases.reader import LATEST, ReleaseReader
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.rollout.event import Action, Event
from nightlite.ondevice.rollout.plan import FULL, Plan, percent
from nightlite.ondevice.rollout.state import RollOut, Share


class ReleaseWriter(ReleaseReader):
    """The releases in one folder, which need not exist yet, to be changed.

    A change is one line of the history, and then `latest` follows. The history alone says what phones get. A writer
    that was killed in between is completed by the next one.
    """

    def rollback(self, version: int, *, who: str, why: str) -> Release:
        """Point `latest` to another release, older or newer, and give it to all phones at once.

        Raises:
          ReleaseError: there is no such release, it is damaged, or all phones get it already.
        """
        with self._writing():
            release = self.release(version)
            release.verify()
            if self.latest_version() == version:
                hint = "" if self._is_full(version) else f"; '{self._rollout_command(version)}' gives it to all phones"
                raise ReleaseError(f"release {version} is the latest already{hint}")
            self._change("rollback", release, who, why)
            return release

    def roll_out(self, version: int, permille: int, *, who: str, why: str) -> RollOut:
        """Give a release to a greater share of the phones on `stable`. A halted one is restored by that.

        Raises:
          ReleaseError: there is no such release, it is damaged, or its share would not grow.
        """
        with self._writing():
            release, state = self.release(version), self.state()
            release.verify()
            if why_not := self._cannot_grow(version, permille, state):
                raise ReleaseError(why_not)
            self._change("rollout", release, who, why, permille)
            return self.state()

    def halt(self, version: int, *, who: str, why: str) -> RollOut:
        """Withdraw a release that not all phones get yet. Those that have it go back to the last full release.

        Raises:
          ReleaseError: there is no such release, it was withdrawn already, it is not on its way, or the release that
            phones would go back to is damaged.
        """
        with self._writing():
            release, state = self.release(version), self.state()
            if why_not := self._cannot_be_halted(release, state):
                raise ReleaseError(why_not)
            if state.served is not None:
                self.release(state.served).verify()
            self._change("halt", release, who, why)
            return self.state()

    def grow(self, plan: Plan, *, published: Mapping[int, int], who: str, now: datetime | None = None) -> Share | None:
        """Take the next step of a roll-out if it is due. Return the new share, or None.

        Args:
          plan: the model's.
          published: shares by version, as the feed that phones read offers them on `stable` now.
          who: goes to the history.
          now: the present time, unless a test says another.

        Raises:
          ReleaseError: the release is damaged, or the step could not be written.
        """
        now = now or datetime.now(UTC)
        # A reader's look first: most nights nothing is due, and the folder may not exist yet.
        if not self.state().due(plan, published, now):
            return None
        with self._writing():
            share = self.state().due(plan, published, now)
            if share:
                release = self.release(share.version)
                release.verify()
                self._change("rollout", release, who, "the next step of its plan", share.permille, now)
            return share

    def prune(self, keep: int, *, who: str, why: str) -> list[int]:
        """Remove all but the newest `keep` releases (at least 1), the latest one, those on offer, and their anchors.

        The next run's model is compared with them, also after a rollback.

        Returns:
          The versions removed.
        """
        with self._writing():
            latest = self.latest_version()
            kept = {*self.versions()[-keep:], *([] if latest is None else [latest])}
            kept |= offered_versions(self, self.state())
            kept |= anchors_of(self, kept)
            versions = [version for version in self.versions() if version not in kept]
            for version in versions:
                sha256 = ""
                with contextlib.suppress(ReleaseError):
                    sha256 = self.release(version).manifest.sha256
                self._record("prune", version, sha256, who, why)
                durable.remove(self.folder / str(version))
            return versions

    def _is_full(self, version: int) -> bool:
        served = self.state().served
        return served is None or served == version

    def _cannot_grow(self, version: int, permille: int, state: RollOut) -> str:
        if version == state.served:
            return f"release {version} goes to all phones already"
        if state.served is None or version < state.served:
            return (
                f"expected a release newer than {state.served}, which all phones get. Received: {version}; "
                f"'nightlite models rollback --model {self.model} {version}' gives it to all phones at once"
            )
        if all((event.action, event.version) != ("push", version) for event in self.history()):
            return f"release {version} was never pushed to its end: the retry of its run does that"
        if state.rolling and state.rolling.version == version and permille <= state.rolling.permille:
            return (
                f"expected more than {percent(state.rolling.permille)}, which release {version} has: a share only "
                f"grows. Received: {percent(permille)}; 'nightlite models halt --model {self.model} {version}' takes "
                "it back"
            )
        return ""

    def _cannot_be_halted(self, release: Release, state: RollOut) -> str:
        version = release.version
        if event := history.withdrawn(self.history()).get(release.manifest.sha256):
            done = "halted" if event.action == "halt" else "rolled back from"
            return f"release {version} was {done} already, by {event.who} ({event.why})"
        if state.served is None or version <= state.served:
            older = state.full[-2] if len(state.full) > 1 else "VERSION"
            return (
                f"expected a release that not all phones get yet. Received: {version}; "
                f"'nightlite models rollback --model {self.model} {older}' gives them an older one"
            )
        return ""

    def _rollout_command(self, version: int) -> str:
        return f"nightlite models rollout --model {self.model} {version} --percent {FULL // 10}"

    def _change(
        self,
        action: Action,
        release: Release,
        who: str,
        why: str,
        permille: int | None = None,
        when: datetime | None = None,
    ) -> None:
        """Record a change, then let `latest` follow."""
        self._record(action, release.version, release.manifest.sha256, who, why, permille, when)
        self._point_latest()

    def _record(
        self,
        action: Action,
        version: int,
        sha256: str,
        who: str,
        why: str,
        permille: int | None = None,
        when: datetime | None = None,
    ) -> None:
        event = Event(
            action=action,
            version=version,
            sha256=sha256,
            previous=self.latest_version(),
            when=when or datetime.now(UTC),
            who=who,
            why=why,
            permille=permille,
        )
        history.append(self.folder, event)

    def _point_latest(self) -> None:
        """Point `latest` to what the history says."""
        latest = self.state().latest
        if latest is not None and latest != self.latest_version():
            durable.link(self.folder / LATEST, str(latest))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with lock(self.folder, waiting_for="another change of the releases"):
                durable.clear_unfinished(self.folder)
                self._point_latest()
                yield
        except OSError as error:
            where = error.filename2 or error.filename or self.folder  # for a copy, the file being written
            raise ReleaseError(f"{where}: the releases cannot be changed: {error.strerror or error}") from None
