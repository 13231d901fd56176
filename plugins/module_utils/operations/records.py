# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records: what is known of the operations of a node, in one small file each.

<state path>/operations/<id>.json is an operation's record, replaced atomically. Beside it, as long as the operation
lives, lies <id>.lock, on which its process holds an flock: the kernel lets go of it however the process ends, so an
operation that says "running" and holds no lock was interrupted. <id>.stop asks it to stop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final, NamedTuple

from ..model import foreign
from ..model.durable import make_directories
from ..model.errors import AlreadyExists, Refused

QUEUED: Final = "queued"
RUNNING: Final = "running"
SUCCESSFUL: Final = "successful"
FAILED: Final = "failed"
STOPPED: Final = "stopped"
"""It was told to stop while it ran."""
REMOVED: Final = "removed"
"""It was told to stop while it waited in the queue, and never began."""
INTERRUPTED: Final = "interrupted"
"""Its process ended without a word: killed, or the machine went down."""

UNFINISHED: Final = (QUEUED, RUNNING)

EXIT_CODES: Final[Mapping[str, int]] = {SUCCESSFUL: 0, FAILED: 1, STOPPED: 2, REMOVED: 3, INTERRUPTED: 4}
"""What --sync exits with (R-270)."""

BACKUP_QUEUE: Final = "backup"
VOLUME_QUEUE: Final = "powerstore"
"""The two queues of a node, independent of each other (R-263)."""
DRILL_QUEUE: Final = "drill"
"""A third one: a drill touches nothing that others work on, and no backup is to wait for hours until it has ended."""

KEPT: Final = 500
"""How many finished operations are remembered."""


@dataclasses.dataclass
class Record:
    """What is known of one operation. Times are UTC milliseconds, 0 for "not yet"."""

    id: str
    type: str
    number: int
    """Position in the order of submission."""
    queue: str = BACKUP_QUEUE
    state: str = QUEUED
    node: str = ""
    initiator: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """JSON values; never a secret."""
    submitted: int = 0
    started: int = 0
    updated: int = 0
    finished: int = 0
    phase: str = ""
    phase_started: int = 0
    items_done: int = 0
    """In the present phase, like the five below."""
    items_total: int = 0
    """0 where it is not known."""
    items_per_second: float = 0.0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: float = 0.0
    phases: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """The phases behind it, each with name, started, finished, items and bytes."""
    error: str = ""
    result: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What it came to, as JSON values."""

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return dataclasses.asdict(self)

    def seconds_left(self) -> float | None:
        """Return how long the present phase goes on at its present rate; None where that cannot be told."""
        ways = (
            (self.items_done, self.items_total, self.items_per_second),
            (self.bytes_done, self.bytes_total, self.bytes_per_second),
        )
        # Many small mails take longer than their bytes, a few large ones than their number: the later end counts.
        left = [max(total - done, 0) / rate for done, total, rate in ways if total and rate]
        return round(max(left), 1) if left and self.state == RUNNING else None


class _Phase(NamedTuple):
    """What a record says of a phase that is behind it."""

    name: str
    started: int
    finished: int
    items: int
    bytes: int


_ENDINGS: Final = (".lock", ".stop", ".json.new", ".json")
_FIELDS = frozenset(field.name for field in dataclasses.fields(Record))


def from_json(values: Mapping[str, Any]) -> Record:
    """Return the record that to_json() has given; what other versions have added is left out.

    :raises ValueError, AttributeError: it is none.
    """
    record = foreign.record(Record, {key: value for key, value in values.items() if key in _FIELDS})
    for phase in record.phases:
        foreign.record(_Phase, phase)
    return record


class Records:
    """The directory of the operations' files."""

    def __init__(self, path: str) -> None:
        self._path = path

    @contextlib.contextmanager
    def alive(self, record: Record) -> Iterator[Sequence[str]]:
        """Give a new record its number and its file, and hold its lock for as long as the with statement lasts.

        Yields the ids of the living operations before it in its queue.
        """
        with self._recording():
            lock, predecessors = self._enter(record)
        try:
            yield predecessors
        finally:
            self._forget(record.id, ".lock", ".stop")
            lock.close()

    def _enter(self, record: Record) -> tuple[IO[bytes], Sequence[str]]:
        make_directories(self._path)
        with open(self._file("queue.lock"), "ab", opener=_private) as mutex:
            fcntl.flock(mutex, fcntl.LOCK_EX)
            records = self.records()
            self._settle(records)
            if any(other.id == record.id for other in records):
                raise AlreadyExists(f"This node has an operation {record.id} already; give each an id of its own.")
            # The lock comes before the record, so that nobody sees the record without it.
            lock = open(self._file(record.id + ".lock"), "ab", opener=_private)
            fcntl.flock(lock, fcntl.LOCK_EX)
            record.number = 1 + max((other.number for other in records), default=0)
            self.write(record, durable=True)
        return lock, [other.id for other in records if other.queue == record.queue and other.state in UNFINISHED]

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        """Say in a sentence why an operation cannot be recorded."""
        try:
            yield
        except OSError as error:
            raise Refused(
                f"The operation cannot be recorded in {self._path}: {error.strerror or error}. Check the space and the "
                "permissions of state_path."
            ) from error

    def lives(self, operation_id: str) -> bool:
        """Return whether the process of an operation still holds its lock. :raises Refused: it cannot be read."""
        path = self._file(operation_id + ".lock")
        try:
            with _reading(path), open(path, "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False

    def stop_requested(self, operation_id: str) -> bool:
        return os.path.exists(self._file(operation_id + ".stop"))

    def request_stop(self, operation_id: str) -> None:
        """Ask an operation to stop. :raises Refused: the request cannot be written down."""
        path = self._file(operation_id + ".stop")
        try:
            open(path, "ab", opener=_private).close()
        except OSError as error:
            raise Refused(f"{path} cannot be written ({error.strerror}); check the owner of state_path.") from error

    def read(self, operation_id: str) -> Record | None:
        """Return a record as it is now, None where there is none. :raises Refused: it cannot be read."""
        record = self._load(operation_id)
        if record is not None and record.state in UNFINISHED and not self.lives(operation_id):
            record = self._load(operation_id)  # it may have ended between the first look and the lock
            if record is not None and record.state in UNFINISHED:
                record.state = INTERRUPTED
                record.finished = record.updated
        return record

    def records(self) -> Sequence[Record]:
        """Return all records by number. :raises Refused: one of them, or their directory, cannot be read."""
        try:
            with _reading(self._path):
                names = os.listdir(self._path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Refused(f"{self._path} cannot be read ({error.strerror}); check state_path and its owner.") from error
        found = (self.read(name[:-5]) for name in names if name.endswith(".json"))
        return sorted((record for record in found if record is not None), key=lambda record: record.number)

    def begin(self, record: Record) -> None:
        """Write down that an operation runs. :raises Refused: it cannot be written down."""
        with self._recording():
            self.write(record, durable=True)

    def write(self, record: Record, durable: bool = False) -> None:
        target = self._file(record.id + ".json")
        with open(target + ".new", "w", encoding="utf-8", opener=_private) as file:
            json.dump(record.to_json(), file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(target + ".new", target)

    def _settle(self, records: Sequence[Record]) -> None:
        """Write down who was interrupted, and forget the oldest of those that have ended."""
        for record in records:
            if record.state == INTERRUPTED and os.path.exists(self._file(record.id + ".lock")):
                self.write(record)
                self._forget(record.id, ".lock", ".stop")
        ended = [record for record in records if record.state not in UNFINISHED]
        for record in ended[:-KEPT]:
            self._forget(record.id, *_ENDINGS)

    def _load(self, operation_id: str) -> Record | None:
        path = self._file(operation_id + ".json")
        try:
            with _reading(path), open(path, encoding="utf-8") as file:
                record = from_json(foreign.parse(file.read()))
                return record if "\0" not in record.id else None
        # A file that a power failure cut is as good as none.
        except (FileNotFoundError, ValueError, AttributeError):
            return None

    def _forget(self, operation_id: str, *endings: str) -> None:
        """Remove files of an operation, as far as the disk lets go of them: the rest goes with the record."""
        for ending in endings:
            with contextlib.suppress(OSError):
                os.unlink(self._file(operation_id + ending))

    def _file(self, name: str) -> str:
        # An id comes from a user: it names a file in this directory, whatever is written in it.
        return os.path.join(self._path, os.path.basename(name))


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Say in a sentence that something may not be read; what is not there, or locked, is the caller's to judge."""
    try:
        yield
    except (FileNotFoundError, BlockingIOError):
        raise
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); give state_path to this user (chown -R).") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
