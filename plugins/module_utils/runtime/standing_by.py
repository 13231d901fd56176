# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of a standby: follows the primary's commits until it is told to end, or may not follow them any more.

A mail server or an archive that is away is waited for. What it does is in its status file; whoever asks reads that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ..archive.files import reading
from ..archive.port import Archive
from ..ledger.standby import FOLLOWING, STOPPED, Record, alone
from ..model import foreign, moment
from ..model.errors import InvalidInput, NotFound, RestanteError
from ..operations.notifications import ERROR
from ..operations.progress import Progress, Until
from ..restore.blobs import ArchiveBlobs
from ..scan.witness import load as load_witness
from ..standby.follower import Diverged, Follower
from ..standby.origin import Origin
from ..standby.report import RoundReport
from . import status_file
from .node import Node
from .process import PidFile
from .retrieval import find_archive, in_bucket, in_directory

NAME: Final = "standby"
WAITING: Final = "waiting"
"""Something that it needs is away."""
APPLYING: Final = "applying"
"""It is behind, and at it."""

LOOK_SECONDS: Final = 1
"""Between two looks for a new commit."""
CHECK_SECONDS: Final = 60.0
THREADS: Final = 10
"""Requests to the archive that are under way at once."""


class Source(NamedTuple):
    """Where the primary's commits come from."""

    type: str
    """"s3" or "local"."""
    path: str = ""
    """For local: the directory that is the archive, or the primary's Backup Path."""
    bucket_configuration_id: str = ""
    volume_prefix: str = ""
    server_id: str = ""
    """Of the primary; empty where the archive has no other."""
    witness: str = ""
    """A file that the primary's uploads have written; empty for none."""
    metadata_path: str = ""
    """The directory that its metadata is retrieved into; empty for one below the state path."""


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
    contact: int = 0
    """When the archive was last read."""
    newest: int = 0
    """The newest commit that is known to be in the archive."""
    newest_at: int = 0
    signed: int = 0
    """When the primary gave its last sign of life, by its own clock; 0 where it never did."""
    alive: int = 0
    """When it is known to have lived, by a commit or a sign: never later than that was seen here."""
    ahead: int = 0
    """By how much the last of these was from the future: by how much the primary's clock is ahead of the one here."""
    damages: list[str] = dataclasses.field(default_factory=list)
    """What of the primary's backup cannot be read."""


def directory(node: Node) -> str:
    """Return where a node keeps what it knows as a standby."""
    return os.path.join(node.settings.state_path, "standby")


def pid_file(node: Node) -> PidFile:
    """Return what tells whether the process runs."""
    return PidFile(os.path.join(directory(node), "standby.pid"))


def log_file(node: Node) -> str:
    """Return where a process that nobody watches writes what it says."""
    return os.path.join(directory(node), "standby.log")


def read_status(node: Node) -> Status:
    """Return what the status file tells; what an empty one would where there is none.

    :raises Refused: there is one, and it cannot be read.
    """
    try:
        with reading(_status_file(node)) as file:
            return foreign.record(Status, foreign.parse(file.read()))
    except (NotFound, ValueError):  # a power failure may have cut it
        return Status()


def write_status(node: Node, status: Status, durable: bool = False) -> None:
    """Write the status file. A full disk does not stop the work for want of its report.

    :param durable: it is the last one for some time.
    """
    with contextlib.suppress(OSError):
        status_file.write(_status_file(node), dataclasses.asdict(status), durable)


def archive_of(node: Node, source: Source) -> Archive:
    """Return the primary's archive. :raises RestanteError: it cannot be reached, or is not to be followed."""
    at = (
        in_bucket(node.bucket(source.bucket_configuration_id), source.volume_prefix)
        if source.type == "s3" else in_directory(source.path)
    )
    return find_archive(node, at, source.server_id)


def source_of(record: Record) -> Source:
    """Return where a standby follows from."""
    try:
        return foreign.record(Source, foreign.parse(record.meta("source")))
    except ValueError as error:
        raise InvalidInput(f"{record.path} does not say what is followed ({error}); set it up again.") from error


@contextlib.contextmanager
def opened(node: Node, look_seconds: float = CHECK_SECONDS) -> Iterator[Follower]:
    """Open a standby with all that it needs, for the one who works on it while the with statement lasts.

    :param look_seconds: after which what could not be applied is tried again, and what somebody changed here is seen.
    :raises Busy: another process does. :raises NotFound: this node is no standby, or a side is not there.
    """
    place = directory(node)
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone(place))
        record = stack.enter_context(contextlib.closing(Record(place)))
        store = stack.enter_context(contextlib.closing(node.store()))
        if record.meta("store") != store.server_id():
            raise InvalidInput(
                f"This mail store ({store.server_id()}) is not the one that was made the standby of "
                f"{record.meta('server') or 'the primary'} ({record.meta('store')}); nothing is written to it."
            )
        source = source_of(record)
        origin = stack.enter_context(contextlib.closing(Origin(
            archive_of(node, source), source.metadata_path or os.path.join(place, "primary"), node.masters(),
            load_witness(source.witness) if source.witness else None,
        )))
        yield Follower(
            origin, store, record, look_seconds=look_seconds, blobs=functools.partial(ArchiveBlobs, threads=THREADS)
        )


def run(
    node: Node, look_seconds: float = LOOK_SECONDS, say: Callable[[str], object] = lambda sentence: None,
    ended: threading.Event | None = None,
) -> None:
    """Be the standby of a node until SIGTERM or SIGINT, or until ended is set; or until it was stopped or promoted.

    :param look_seconds: between two looks for a new commit. :param say: is told of every change of what it does.
    :raises Busy: there is one already. :raises NotFound: this node is no standby.
    """
    with contextlib.closing(Record(directory(node))):
        pass
    with pid_file(node).held():
        _Process(node, look_seconds, say, ended or _signalled()).run()


def _signalled() -> threading.Event:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    return ended


class _Process:
    def __init__(self, node: Node, look_seconds: float, say: Callable[[str], object], ended: threading.Event) -> None:
        self._node = node
        self._look_seconds = look_seconds
        self._say = say
        self._ended = ended
        before = read_status(node)
        self._status = dataclasses.replace(before, state="", pid=os.getpid(), started=moment.now(), error="")

    def run(self) -> None:
        while not self._ended.is_set() and self._may_follow():
            try:
                self._node = Node.load(self._node.config_file)
                with opened(self._node) as follower:
                    self._follow(follower)
            except Diverged as error:
                self._enter(STOPPED, str(error))
                self._node.notifications().notify(ERROR, "Standby: it does not follow any more", f"{error}\n")
                return
            except (RestanteError, OSError) as error:
                self._enter(WAITING, str(error))
                self._ended.wait(status_file.RETRY_SECONDS)
        self._enter(STOPPED)

    def _may_follow(self) -> bool:
        with contextlib.closing(Record(directory(self._node))) as record:
            return record.meta("state") == FOLLOWING

    def _follow(self, follower: Follower) -> None:
        progress = _Telling(self, Until(self._ended.is_set))
        while not self._ended.is_set() and follower.may_go_on():
            report = follower.round(progress)
            seen(self._status, follower)
            self._enter(FOLLOWING)
            if report.changed:
                self._say(f"commit {report.commit}: {report.text().rstrip()}".replace("\n", "; "))
            self._ended.wait(self._look_seconds)

    def _enter(self, state: str, error: str = "") -> None:
        status, now = self._status, moment.now()
        if (state, error) != (status.state, status.error):
            if APPLYING not in (state, status.state) or error:
                self._say(f"{state}: {error}" if error else state)
        elif 0 <= now - status.updated < status_file.HEARTBEAT:
            return
        status.state, status.error, status.updated = state, error, now
        write_status(self._node, status)

    def applying(self) -> None:
        """A round has something to do."""
        self._enter(APPLYING)


class _Telling:
    """A Progress that keeps the status file alive."""

    def __init__(self, process: _Process, until: Progress) -> None:
        self._process = process
        self._until = until

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        """See Progress."""
        if name.startswith("applying"):
            self._process.applying()

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        """See Progress. May come from another thread."""

    def stopping(self) -> bool:
        """See Progress."""
        return self._until.stopping()


def seen(status: Status, follower: Follower) -> None:
    """Note in a status what was seen of the archive."""
    status.contact = follower.contact
    signed, (newest, newest_at), now = follower.signed(), follower.newest(), moment.now()
    new = [at for at, is_new in ((signed, signed != status.signed), (newest_at, newest != status.newest)) if is_new]
    if any(new):
        # What comes from the future has come now, and is not from then: a clock is wrong, or it was forged.
        status.alive, status.ahead = max(status.alive, *(min(at, now) for at in new)), max(max(new) - now, 0)
    status.signed, status.newest, status.newest_at = signed, newest, newest_at
    status.damages = follower.damages()


def catch_up(follower: Follower, progress: Progress) -> RoundReport:
    """Do rounds until nothing is new; return what they have done. Errors as for Follower.round()."""
    report = follower.round(progress)
    reached = follower.reached()
    while not progress.stopping() and follower.is_behind():
        report.add(follower.round(progress))
        before, reached = reached, follower.reached()
        if reached == before:  # what is there cannot be read
            break
    return report


def _status_file(node: Node) -> str:
    return os.path.join(directory(node), "status.json")


def encoded(source: Source) -> str:
    """Return a source as the record keeps it."""
    return json.dumps(source._asdict(), sort_keys=True)
