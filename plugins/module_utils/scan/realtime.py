# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner: records what happens on a mail server as it happens (R-221; reference, section 2.4).

It asks the mail server several times a second which accounts something has changed of, and looks into just those. The
Backup Path's lock is held only while it writes, so that other writers have their turn.

What happened while nobody was following is a gap. It is closed by comparing everything, as SmartScan does, before
anything else is done. What came and went meanwhile is lost to the backup: so a gap is told, and never passed over.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from ..backup.commits import Commit
from ..backup.repository import Repository
from ..backup.writer import Writer
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import Busy
from ..model.state import SERVER
from ..model.switch import Switch
from ..operations.progress import SILENT, Until
from .directory import DirectoryScan, switch_of
from .mailbox import MailboxScan
from .recorder import Cadence, Recorder
from .report import ScanReport
from .smartscan import smart_scan

LOOK: Final = 0.25
"""Seconds between two looks at what has happened."""

COMMIT: Final = 1.0
"""Seconds between two commits, where things happen all the time."""

OVERRUN: Final = "the mail server's change feed did not go back far enough"

_RETRY: Final = 5.0
_RETRY_SHARE: Final = 20
"""What could not be read is tried again after so many seconds, or so many times what the attempt took."""

_SWITCH: Final = 60.0
"""Seconds for which it is taken as known which accounts are backed up, if nothing happens in the directory."""

_NAMED: Final = 10
"""Read failures that are named."""

Pause = Callable[[float], bool]
"""Waits for so many seconds at most; True, and at once, when it is time to end."""


@dataclasses.dataclass
class Situation:
    """Where the scanner stands. Times are UTC milliseconds, 0 for "never"."""

    complete_until: int = 0
    """All that happened up to here has been committed; -1 where that is not known."""
    last_event: str = ""
    """The newest event that was seen, as the mail server numbers them."""
    last_event_at: int = 0
    """When it was seen."""
    pending: int = 0
    """Accounts that something has happened in and that are not committed yet, those that cannot be read included."""
    pending_since: int = 0
    """Since when the first of them may be waiting; -1 where that is not known."""
    commits: int = 0
    """Made since the scanner was started."""
    last_commit: int = 0
    """The number of the newest of them."""
    last_commit_at: int = 0
    waits: str = ""
    """What keeps it from writing, a sentence."""
    unreadable: list[str] = dataclasses.field(default_factory=list)
    """What the mail server could not give: account, item and reason. It is tried again and again."""
    gap_since: int = 0
    """Up to when the backup was complete before the present gap; -1 where that is not known, 0 for no gap."""
    gap_reason: str = ""


class Gap(NamedTuple):
    """A gap that was closed."""

    since: int
    """UTC milliseconds; -1 where it is not known."""
    until: int
    reason: str
    report: ScanReport
    """Of the scan that closed it."""


class _Failed(NamedTuple):
    """What could not be read."""

    since: int
    """Since when it may be waiting, as Situation.pending_since."""
    due: float
    """When it is to be tried again, by the clock."""


class RealtimeScanner:
    """Follows one mail server into one Backup Path, from the moment on at which it is made."""

    def __init__(
        self,
        store: MailStore,
        repository: Repository,
        situation: Situation,
        told: Callable[[], None] = lambda: None,
        closed: Callable[[Gap], None] = lambda gap: None,
        commit_every: float = COMMIT,
        now: Callable[[], int] = moment.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        :param situation: where it stands, the gap that is to be closed included; it is kept up to date.
        :param told: called when it has been. :param closed: called with each gap that was closed.
        :param commit_every: seconds between two commits, where things happen all the time.
        :param now: the present, UTC milliseconds; it may be set back. :param clock: seconds; never set back.
        """
        self.situation = situation
        self._store = store
        self._repository = repository
        self._told = told
        self._closed = closed
        self._cadence = Cadence(seconds=commit_every)
        self._now = now
        self._clock = clock
        self._follower = store.follow()
        self._looked = now()
        self._recorded = clock() - commit_every
        self._switch: Switch | None = None
        self._switch_known = 0.0
        self._waiting: dict[str, int] = {}
        """What something has happened in, accounts or SERVER, and since when it may be waiting."""
        self._failed: dict[str, _Failed] = {}
        """What could not be read. It is among what waits only when it is due."""

    def run(self, pause: Pause) -> None:
        """Follow until it is time to end; what has happened until then is committed.

        :raises RestanteError: the mail server or the Backup Path cannot be used. Make another scanner later.
        """
        ending = False
        while not ending:
            ending = pause(LOOK)
            self._look()
            if self.situation.gap_since:
                if not ending:
                    self._close_gap(pause)
            elif self._waiting and (ending or self._clock() - self._recorded >= self._cadence.seconds):
                self._record()
            self._tell()

    # -- seeing ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        before, self._looked = self._looked, self._now()
        news = self._follower.news()
        for scope in news.scopes:
            # What could not be read is not looked into with every event: with the old token, it is asked for in full.
            if scope not in self._failed:
                self._waiting.setdefault(scope, before)
        for scope, failed in self._failed.items():
            if failed.due <= self._clock():
                self._waiting.setdefault(scope, failed.since)
        if news.scopes:
            self.situation.last_event, self.situation.last_event_at = news.last, self._looked
        if news.overrun and not self.situation.gap_since:
            self.situation.gap_since, self.situation.gap_reason = self.situation.complete_until or before, OVERRUN

    def _tell(self) -> None:
        situation = self.situation
        pending = {**self._waiting, **{scope: failed.since for scope, failed in self._failed.items()}}
        situation.pending = len(pending)
        situation.pending_since = min(pending.values(), default=0)
        if not situation.gap_since:
            situation.complete_until = situation.pending_since or self._looked
        self._told()

    # -- writing ---------------------------------------------------------------------------------------------------

    def _writer(self) -> Writer | None:
        """Return the writer; None while another process writes, which is waited for."""
        try:
            writer = self._repository.writer()
        except Busy as error:
            self.situation.waits = str(error)
            return None
        self.situation.waits = ""
        return writer

    def _committed(self, commit: Commit) -> None:
        self.situation.commits += 1
        self.situation.last_commit, self.situation.last_commit_at = commit.seq, commit.at
        self._tell()

    def _record(self) -> None:
        """Look into what something has happened in."""
        writer = self._writer()
        if writer is None:
            return
        self._recorded = self._clock()
        report = ScanReport()
        with writer:
            recorder = Recorder(writer, self._cadence, self._committed)
            directory = DirectoryScan(self._store, recorder, report, self._backed_up())
            mailbox = MailboxScan(self._store, recorder, report, SILENT, SILENT.stopping)
            if SERVER in self._waiting:  # a class of service or a domain may have switched accounts that are quiet
                for account in directory.switched():
                    self._waiting.setdefault(account, self._waiting[SERVER])
            # SERVER first: an archive must not know accounts without their domain; it tells why an account has ended.
            for scope in sorted(self._waiting, key=lambda one: (one != SERVER, one)):
                errors, began = report.read_errors, self._clock()
                self._scope(scope, directory, mailbox)
                self._failed.pop(scope, None)
                if report.read_errors > errors:
                    self._fail((scope,), self._waiting[scope], began)
            recorder.commit()
        self._waiting.clear()
        self._name_failures(report)

    def _backed_up(self) -> Switch:
        """Return which accounts are backed up (R-245)."""
        if self._switch is None or SERVER in self._waiting or self._clock() - self._switch_known > _SWITCH:
            self._switch, self._switch_known = switch_of(self._store), self._clock()
        return self._switch

    def _scope(self, scope: str, directory: DirectoryScan, mailbox: MailboxScan) -> None:
        if scope == SERVER:
            directory.server_entries()
            return
        entry = self._store.find_entry(kinds.ACCOUNT, scope)
        if entry is None:
            directory.account_gone(scope)
            return
        if not directory.backed_up(entry):
            directory.switched_off(entry)
            return
        directory.account(entry)
        mailbox.scan(scope, entry.name)

    def _close_gap(self, pause: Pause) -> None:
        """Compare everything. Where that does not come to its end, the gap stays."""
        writer = self._writer()
        if writer is None:
            return
        until, began = self._looked, self._clock()
        with writer:
            progress = Until(lambda: pause(0))
            report = smart_scan(
                self._store, writer, cadence=self._cadence, committed=self._committed, progress=progress
            )
        if report.stopped:
            return
        situation = self.situation
        gap = Gap(situation.gap_since, until, situation.gap_reason, report)
        situation.gap_since, situation.gap_reason = 0, ""
        self._waiting.clear()  # that was seen before the scan began
        self._failed.clear()
        if report.read_errors:
            reached = self._repository.tokens()
            unread = [account for account, token in self._store.tokens() if reached.get(account) != token]
            self._fail(unread, gap.since, began)
        self._name_failures(report)
        self._closed(gap)

    def _fail(self, scopes: Iterable[str], since: int, began: float) -> None:
        now = self._clock()
        self._failed.update(dict.fromkeys(scopes, _Failed(since, now + max(_RETRY, _RETRY_SHARE * (now - began)))))

    def _name_failures(self, report: ScanReport) -> None:
        if report.failures or not self._failed:
            self.situation.unreadable = [
                " ".join(part for part in (failure.account, failure.item_id, failure.reason) if part)
                for failure in report.failures[:_NAMED]
            ]
