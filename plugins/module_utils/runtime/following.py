# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of the Realtime Scanner: follows a node's mail server until it is told to end.

A mail server, a Backup Path or an archive that is away is waited for. What it does is in its status file; whoever asks
reads that. The settings are read again when they change, so the Realtime Scanner can be switched off and on, and the
backup be archived elsewhere, without anybody starting anything anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Final

from ..archive.files import reading
from ..backup.repository import Repository
from ..model import foreign, moment
from ..model.errors import NotFound, RestanteError
from ..operations.notifications import INFORMATION, WARNING
from ..operations.progress import Until
from ..scan.realtime import COMMIT, Gap, RealtimeScanner, Situation
from . import status_file
from .node import Node
from .process import PidFile

NAME: Final = "Realtime Scanner"

FOLLOWING: Final = "following"
SCANNING: Final = "scanning"
"""It closes a gap."""
WAITING: Final = "waiting"
"""Something that it needs is away."""
OFF: Final = "off"
"""The settings say that it is to record nothing (R-222)."""
STOPPED: Final = "stopped"

_UPLOAD_LOOK: Final = 0.25
_LAST_UPLOAD: Final = 20.0
"""Seconds that the last upload may take when it is told to end; what it lacks goes up the next time."""
_BEHIND: Final = "An upload that was begun earlier has not ended yet; the newest commits are sent as soon as it has."


@dataclasses.dataclass
class Status:
    """What the status file tells. Times are UTC milliseconds."""

    state: str = STOPPED
    pid: int = 0
    """Of the process that wrote it."""
    started: int = 0
    updated: int = 0
    error: str = ""
    """Why it waits."""
    archived: int = 0
    """The number of the newest commit that is known to be in the archive; 0 where there is none."""
    archive_error: str = ""
    """Why the archive does not have everything."""
    situation: Situation = dataclasses.field(default_factory=Situation)


def pid_file(node: Node) -> PidFile:
    """Return what tells whether a node's Realtime Scanner runs."""
    return PidFile(os.path.join(node.settings.state_path, "realtime.pid"))


def log_file(node: Node) -> str:
    """Return where a Realtime Scanner that nobody watches writes what it says."""
    return os.path.join(node.settings.state_path, "realtime.log")


def read_status(node: Node) -> Status:
    """Return what the status file tells; what an empty one would where there is none.

    :raises Refused: there is one, and it cannot be read.
    """
    try:
        with reading(_status_file(node)) as file:
            record = foreign.parse(file.read())
        situation = foreign.record(Situation, record.pop("situation"))
        return dataclasses.replace(foreign.record(Status, record), situation=situation)
    except (NotFound, ValueError, TypeError, AttributeError, KeyError):  # a power failure may have cut it
        return Status()


def run(
    node: Node, commit_every: float = COMMIT, say: Callable[[str], object] = lambda sentence: None,
    ended: threading.Event | None = None,
) -> None:
    """Be the Realtime Scanner of a node until SIGTERM or SIGINT, or until ended is set.

    :param commit_every: seconds between two commits, where things happen all the time.
    :param say: is told of every change of what it does.
    :raises Busy: there is one already. :raises Refused: the state path cannot be written to.
    """
    with pid_file(node).held():
        _Process(node, commit_every, say, ended or _signalled()).run()


def _signalled() -> threading.Event:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    return ended


class _Process:
    def __init__(self, node: Node, commit_every: float, say: Callable[[str], object], ended: threading.Event) -> None:
        self._node = node
        self._file = _status_file(node)
        self._commit_every = commit_every
        self._say = say
        self._ended = ended
        self._settings = _version(node.config_file)
        self._sending = threading.Lock()
        """Held by the thread that sends to the archive."""
        before = read_status(node)
        self.status = Status(pid=os.getpid(), started=moment.now(), situation=before.situation)
        situation = self.status.situation
        situation.commits = 0
        self._gap(
            f"the {NAME} was stopped" if before.state == STOPPED and before.started
            else f"the {NAME} was killed" if before.started else "nothing was followed before"
        )

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self._with_settings()
            except (RestanteError, OSError) as error:
                self._gap(f"it had to wait: {error}")
                self._enter(WAITING, str(error))
                self._pause(status_file.RETRY_SECONDS)
        self._enter(STOPPED)

    def _with_settings(self) -> None:
        """Work with the settings as they are now, until they change."""
        self._settings = _version(self._node.config_file)
        self._node = Node.load(self._node.config_file)
        on = self._node.settings.realtime_scanner
        self._gap("the settings were changed" if on else "it was switched off")
        if not on:
            self._enter(OFF)
            while not self._pause(status_file.RETRY_SECONDS):
                pass
            return
        with self._scanner() as scanner:
            self._told()
            scanner.run(self._pause)

    @contextlib.contextmanager
    def _scanner(self) -> Iterator[RealtimeScanner]:
        with contextlib.ExitStack() as opened:
            store = opened.enter_context(contextlib.closing(self._node.store()))
            server_id = store.server_id()
            repository = opened.enter_context(contextlib.closing(self._node.initialised(server_id)))
            opened.enter_context(self._uploading(repository))
            yield RealtimeScanner(
                store, repository, self.status.situation, self._told, self._closed, self._commit_every
            )

    def _pause(self, seconds: float) -> bool:
        return self._ended.wait(seconds) or _version(self._node.config_file) != self._settings

    # -- what it tells ---------------------------------------------------------------------------------------------

    def _gap(self, reason: str) -> None:
        """What happens from now on is not seen, until a scan has closed the gap."""
        situation = self.status.situation
        if not situation.gap_since:
            situation.gap_since, situation.gap_reason = situation.complete_until or -1, reason

    def _told(self) -> None:
        self._enter(SCANNING if self.status.situation.gap_since else FOLLOWING)

    def _enter(self, state: str, error: str = "") -> None:
        status, now = self.status, moment.now()
        if (state, error) != (status.state, status.error):
            self._say(f"{state}: {error}" if error else state)
        elif 0 <= now - status.updated < status_file.HEARTBEAT:
            return
        status.state, status.error, status.updated = state, error, now
        with contextlib.suppress(OSError):  # a full disk must not stop the work for want of its report
            status_file.write(self._file, dataclasses.asdict(status))

    def _closed(self, gap: Gap) -> None:
        zone = self._node.settings.time_zone
        since = moment.vendor(gap.since, zone) if gap.since > 0 else "the beginning"
        text = (
            f"Nothing was recorded as it happened from {since} to {moment.vendor(gap.until, zone)}: {gap.reason}.\n"
            "A scan has recorded what the mail server holds now. What came and went in between is not in the backup."
            f"\n\n{gap.report.text()}"
        )
        type_ = WARNING if gap.report.failures else INFORMATION
        self._say(f"closed the gap since {since}: {gap.reason}")
        # A mail server that does not answer must not keep it from following.
        threading.Thread(
            target=self._node.notifications().notify, args=(type_, f"{NAME}: a gap was closed", text), daemon=True
        ).start()

    # -- the archive -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _uploading(self, repository: Repository) -> Iterator[None]:
        """Send each commit to the archive at once, in a thread of its own, while the with statement lasts."""
        stop, late = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._upload, args=(repository, stop, late), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_LAST_UPLOAD)
            late.set()

    def _upload(self, repository: Repository, stop: threading.Event, late: threading.Event) -> None:
        """Send what there is until told to stop, and once more then.

        :param late: set when nobody waits for that any more: it is given up, and what came of it is not told.
        """
        if not self._sending.acquire(blocking=False):
            # One that was given up sends what it has in hand, which takes as long as its archive does.
            self.status.archive_error = _BEHIND
            while not self._sending.acquire(timeout=_UPLOAD_LOOK):
                if stop.is_set():
                    return
            self.status.archive_error = ""
        try:
            self._send(repository, stop, late)
        finally:
            self._sending.release()

    def _send(self, repository: Repository, stop: threading.Event, late: threading.Event) -> None:
        status, uploader, ending = self.status, None, False
        while not ending and not late.is_set():
            ending = stop.wait(status_file.RETRY_SECONDS if status.archive_error else _UPLOAD_LOOK)
            try:
                if uploader is None:
                    archive = self._node.archive(repository.server_id)
                    if archive is None:
                        status.archived, status.archive_error = 0, ""
                        return
                    uploader = self._node.uploader(repository, archive)
                done = uploader.sync(Until(late.is_set))
                for warning in done.warnings if done.changed else ():
                    self._say(warning)
                if not late.is_set():
                    status.archived, status.archive_error = done.newest, ""
            except Exception as error:  # also a fault of ours: nobody else would hear of it
                uploader = None  # begin anew, with the credentials that there are by then
                reason = str(error) if isinstance(error, (RestanteError, OSError)) else repr(error)
                if late.is_set():
                    return
                if not status.archive_error:
                    self._say(f"the archive lacks the newest commits: {reason}")
                status.archive_error = reason


def _version(path: str) -> tuple[int, ...]:
    """Return what changes when a file does."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _status_file(node: Node) -> str:
    return os.path.join(node.settings.state_path, "realtime.json")
