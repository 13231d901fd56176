# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a Backup Path into the archive: the same files, and never a commit before its packs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from ..archive.numbered import last_number
from ..archive.port import Archive
from ..backup import commits, keyring, keys, packs
from ..backup.commits import Commit, PackInfo
from ..backup.files import Files
from ..backup.repository import Repository
from ..care.keyrings import remove_keyrings
from ..model import moment
from ..model.errors import Damaged, NotFound, Refused, Unavailable
from ..operations.progress import SILENT, Progress
from . import alive
from .witness import Witness

EVERY: Final = 5.0
"""Seconds between two looks for new commits: what a burning node may lose."""

THREADS: Final = 8
"""Packs on their way at once."""

_WORTH_ASKING: Final = 1024 * 1024
"""From this size on, asking whether a pack is there already costs less than sending it."""

_STILL_ALONE: Final = 60.0
"""Seconds between two looks whether somebody else has come to write to the archive."""

_COMMITS_AHEAD: Final = 32
"""Commits whose packs are on their way at the same time."""


class UploadReport(NamedTuple):
    """What a synchronisation came to."""

    commits: int
    packs: int
    bytes: int
    """Of packs that were sent."""
    newest: int
    """Number of the newest commit in the archive, 0 for none."""
    lost: int = 0
    """Commits that had been there and were not there any more: they were sent again."""
    warnings: tuple[str, ...] = ()
    """What the administrator must know although it has ended well."""

    @property
    def changed(self) -> bool:
        """Whether anything was sent."""
        return self.commits > 0

    def totals(self) -> dict[str, int]:
        """Return it in numbers."""
        return {"commits": self.commits, "packs": self.packs, "bytes": self.bytes, "newest": self.newest}


class Uploader:
    """Sends what is new in a Backup Path to an archive. It reads files only: a writer may be at work meanwhile.

    :param repository: the backup; its catalogue is not used, so its own thread may go on using it.
    :param archive: where to; its prefix belongs to this backup alone.
    :param threads: packs on their way at once.
    :param witness: where it is written down what has arrived; None for nowhere. :param clock: seconds.
    :param sign_every: seconds between two signs of life, while there are no commits; 0 for none.
    """

    def __init__(
        self, repository: Repository, archive: Archive, threads: int = THREADS, witness: Witness | None = None,
        clock: Callable[[], float] = time.monotonic, sign_every: float = 0,
    ) -> None:
        self._info = repository.info
        self._witness = witness
        self._noted = 0
        self._lost = 0
        self._files: Files = repository.files
        self._keys = repository.keys
        head = repository.head()
        self._newest_here = head.seq if head else 0
        self._archive = archive
        self._threads = threads
        self._clock = clock
        self._looked = 0.0
        self._sign_every = sign_every
        self._signed: float | None = None
        """When the archive was last written to; None for never."""
        self._unsigned = ""
        """Why there is no sign of life; empty where there is."""
        self._newest_there = -1
        self._keys_there = 0
        """Number of the keyring that was sent."""
        self._sent: set[str] = set()
        """Names of the packs of the commits that are in the archive."""

    def sync(self, progress: Progress = SILENT) -> UploadReport:
        """Send the commits that the archive does not have, and their packs before them.

        May be ended at any moment, by a kill too, and run again.

        :raises Refused: another server or another copy of this backup writes to the prefix; or no permission.
        :raises NotFound: no bucket; or a file of the backup is gone. :raises Damaged: a pack here is altered.
        :raises Unavailable: the archive does not answer. What was sent before stays valid in every case.
        """
        if self._newest_there < 0:
            self._meet()
        self._newest_here = last_number(self._is_here, max(self._newest_here, 1))
        if self._newest_here > self._newest_there and self._clock() - self._looked >= _STILL_ALONE:
            if not self._is_as_left():
                self._meet()
            self._looked = self._clock()
        self._send_keys()
        first = self._newest_there + 1
        report = UploadReport(0, 0, 0, self._newest_there, self._lost)
        if self._newest_here < first:
            return self._ended(report)
        progress.phase("upload", items=self._newest_here - self._newest_there)
        begun: set[str] = set()
        under_way: deque[_UnderWay] = deque()
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                for seq in range(first, self._newest_here + 1):
                    if progress.stopping():
                        break
                    if self._is_lost(seq):
                        continue
                    under_way.append(self._begin(pool, seq, begun))
                    if len(under_way) >= _COMMITS_AHEAD:
                        report = self._finish(under_way.popleft(), report, progress)
                while under_way:
                    report = self._finish(under_way.popleft(), report, progress)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self._ended(report)

    def _ended(self, report: UploadReport) -> UploadReport:
        """Write down what has arrived, and return the report with what must be known."""
        self._sign(report)
        if self._witness is not None and report.newest and self._noted != report.newest:
            self._witness.note(self._info.repository, self._info.server, report.newest)
            self._noted = report.newest
        self._lost = 0  # not before: an upload that fails is made up for by the next, which then tells it
        return report._replace(warnings=tuple(self._warnings(report)))

    def follow(
        self,
        stop: threading.Event,
        every: float = EVERY,
        report: Callable[[UploadReport | Unavailable], None] = lambda _unused: None,
    ) -> None:
        """Go on sending until told to stop, and send what there is then.

        An archive that does not answer is tried again and again; nothing is lost meanwhile, it only comes later.

        :param report: is told of every synchronisation that sent something, or got no answer.
        :raises RestanteError: as sync, but for Unavailable.
        """
        stopping = False
        while not stopping:
            stopping = stop.wait(every)
            try:
                done = self.sync()
            except Unavailable as error:
                report(error)
            else:
                if done.changed:
                    report(done)

    def _sign(self, done: UploadReport) -> None:
        """Give a sign of life where it is time; one that does not arrive stops nothing."""
        now = self._clock()
        if self._signed is not None and done.changed:
            self._signed = now
        if not self._sign_every or (self._signed is not None and now - self._signed < self._sign_every):
            return
        self._signed, self._unsigned = now, ""
        try:
            alive.give(self._archive, alive.Sign(self._info.repository, done.newest, moment.now()))
        except (NotFound, Refused, Unavailable) as error:
            self._unsigned = f"No sign of life could be left for a standby: {error}"

    def _warnings(self, done: UploadReport) -> Iterator[str]:
        if done.lost:
            yield (
                f"{self._archive.describe()} had {done.lost} commits that were not there any more: somebody has "
                "removed them, or put the archive back to an older state. They were sent again; find out who has its "
                "keys."
            )
        if self._witness is not None and self._witness.complaint:
            yield self._witness.complaint
        if self._unsigned:
            yield self._unsigned
            self._unsigned = ""  # one refusal is told once

    # -- meeting the archive ---------------------------------------------------------------------------------------

    def _meet(self) -> None:
        """Make sure that the prefix is ours, and find what it holds."""
        self._keys_there = 0
        claim = self._files.read(commits.FORMAT_FILE)
        if not self._archive.put_new(commits.FORMAT_FILE, claim):
            other = commits.parse_format(self._archive.get(commits.FORMAT_FILE), self._archive.describe())
            raise Refused(
                f"{self._archive.describe()} belongs to backup {other.repository} of server {other.server}, and not to "
                f"this one ({self._info.repository}). Give each server a prefix of its own."
            )
        newest = last_number(self._is_there, max(self._newest_here, 1))
        self._newest_here = last_number(self._is_here, max(self._newest_here, 1))
        if newest > self._newest_here:
            raise Refused(
                f"{self._archive.describe()} holds commit {newest}, {self._files.root} only {self._newest_here}: "
                "it is an older copy of this backup, or another server writes to the prefix. Retrieve the newer one, "
                "or use another prefix."
            )
        if self._witness is not None:
            self._lost = max(self._lost, min(self._witness.last(), self._newest_here) - newest)
        both = newest
        while both and self._is_lost(both):
            both -= 1
        if both:
            name = commits.name(both)
            if self._archive.get(name) != self._files.read(name):
                raise self._collision(both)
            self._sent = {pack.name for commit in commits.until(self._here, both) for pack in commit.packs}
        self._newest_there = newest
        self._looked = self._clock()

    def _is_as_left(self) -> bool:
        """Return whether the archive ends with the commit that was sent last.

        It does, where the store honours the condition under which commits are written. Where it has come to ignore it,
        one of two writers finds out by this: whoever is behind meets a commit that is there already, and of two that
        have written the same numbers, one does not find its own.
        """
        seq = self._newest_there
        try:
            own = not seq or self._archive.get(commits.name(seq)) == self._files.read(commits.name(seq))
        except NotFound:
            own = False
        return own and not self._is_there(seq + 1)

    def _collision(self, seq: int) -> Refused:
        return Refused(
            f"Commit {seq} in {self._archive.describe()} is not the one in {self._files.root}: another writer uses "
            "this prefix. Stop one of the two, and give each a prefix of its own."
        )

    def _is_lost(self, seq: int) -> bool:
        """Return whether a commit is gone, and a later full one makes up for it (care/mending.py)."""
        return not self._is_here(seq) and seq < self._read(self._newest_here)[0].checkpoint

    def _is_here(self, seq: int) -> bool:
        return self._files.size(commits.name(seq)) is not None

    def _is_there(self, seq: int) -> bool:
        return self._archive.size(commits.name(seq)) is not None

    # -- sending ---------------------------------------------------------------------------------------------------

    def _read(self, seq: int) -> tuple[Commit, bytes]:
        name = commits.name(seq)
        data = self._files.read(name)
        return commits.parse(data, self._files.path(name), self._keys), data

    def _here(self, seq: int) -> Commit | None:
        """Return a commit of this side; None where it is gone."""
        try:
            return self._read(seq)[0]
        except NotFound:
            return None

    def _begin(self, pool: ThreadPoolExecutor, seq: int, begun: set[str]) -> _UnderWay:
        commit, data = self._read(seq)
        self._send_keys()
        new = [pack for pack in commit.packs if pack.name not in self._sent and pack.name not in begun]
        begun.update(pack.name for pack in new)
        return _UnderWay(seq, data, commit.removed, {pack.name: pool.submit(self._send, pack) for pack in new})

    def _send_keys(self) -> None:
        """Send the newest keyring, which whatever is sent from now on may need, and remove those before it."""
        while (number := keyring.newest(self._files)) > self._keys_there:
            try:
                data = self._files.read(keys.name(number))
            except NotFound:  # a newer one has taken its place
                continue
            if not self._archive.put_new(keys.name(number), data):
                raise Refused(
                    f"The keyring {number} in {self._archive.describe()} is not the one in {self._files.root}: another "
                    "writer uses this prefix. Stop one of the two, and give each a prefix of its own."
                )
            self._keys_there = number
            remove_keyrings(self._archive, number)

    def _send(self, pack: PackInfo) -> int:
        """Send a pack unless it is there; return the bytes sent."""
        name = packs.file_name(pack.name)
        is_here = self._files.size(name) is not None
        if (pack.size >= _WORTH_ASKING or not is_here) and self._archive.size(name) == pack.size:
            return 0
        if not is_here:
            if not self._is_needed(pack.name):
                return 0
            raise Damaged(f"{self._files.path(name)} is missing.")
        self._archive.put_file(name, self._files.path(name), pack.name)
        return pack.size

    def _is_needed(self, pack: str) -> bool:
        """Return whether a pack is part of the backup: whether the newest full commit or one after it names it.

        What an older one names and they do not was taken out since, whichever commit has said so.
        """
        full = self._read(self._newest_here)[0].checkpoint
        after = [self._here(seq) for seq in range(full, self._newest_here + 1)]
        return any(commit is None or pack in {one.name for one in commit.packs} for commit in after)

    def _finish(self, under_way: _UnderWay, report: UploadReport, progress: Progress) -> UploadReport:
        """Wait for the packs of a commit, then send it."""
        try:
            sent = [future.result() for future in under_way.packs.values()]
        except Damaged as error:
            raise Damaged(
                f"Commit {under_way.seq} of {self._files.root} and those after it cannot be uploaded: {error} Put the "
                "pack back from a copy, or let a deep scan record its content again."
            ) from error
        if not self._archive.put_new(commits.name(under_way.seq), under_way.data):
            raise self._collision(under_way.seq)
        self._sent.update(under_way.packs)
        self._sent.difference_update(under_way.removed)  # its file may be gone by the time that it comes again
        self._newest_there = under_way.seq
        progress.advance(1, sum(sent))
        return UploadReport(
            report.commits + 1, report.packs + sum(1 for size in sent if size), report.bytes + sum(sent),
            under_way.seq, report.lost,
        )


class _UnderWay(NamedTuple):
    """A commit whose packs are being sent."""

    seq: int
    data: bytes
    removed: tuple[str, ...]
    packs: dict[str, Future[int]]
