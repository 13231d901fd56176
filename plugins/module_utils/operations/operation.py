# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations: long work with an id, one at a time per queue, in the order of submission (R-262)."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..model import moment
from ..model.errors import InvalidInput, NotFound, RestanteError
from .records import (
    BACKUP_QUEUE,
    FAILED,
    INTERRUPTED,
    REMOVED,
    RUNNING,
    STOPPED,
    SUCCESSFUL,
    UNFINISHED,
    Record,
    Records,
)

_POLL_SECONDS = 0.2
_WRITE_SECONDS = 0.5


class Removed(RestanteError):
    """The operation was removed from the queue before it began."""


class Operation:
    """A running operation; the Progress of the work that it is about. Safe for use by several threads."""

    def __init__(self, records: Records, record: Record) -> None:
        self.record = record
        self._records = records
        self._lock = threading.Lock()
        self._written = 0.0
        self._asked = 0.0
        self._stopping = False

    @property
    def id(self) -> str:
        """The operation's UUID."""
        return self.record.id

    @property
    def told_to_stop(self) -> bool:
        """Whether stopping() has answered True."""
        return self._stopping

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        """Begin a phase (see Progress)."""
        with self._lock:
            record = self.record
            self._close_phase()
            record.phase, record.phase_started = name, moment.now()
            record.items_done = record.bytes_done = 0
            record.items_total, record.bytes_total = items, bytes_
            self._write()

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        """Add to what the present phase has done (see Progress)."""
        with self._lock:
            self.record.items_done += items
            self.record.bytes_done += bytes_
            if time.monotonic() - self._written > _WRITE_SECONDS:
                self._write()

    def stopping(self) -> bool:
        """Return True once someone has asked the operation to stop; it looks five times a second at most."""
        now = time.monotonic()
        if not self._stopping and now - self._asked > _POLL_SECONDS:
            self._asked = now
            self._stopping = self._records.stop_requested(self.id)
        return self._stopping

    def finish(self, state: str, error: str = "") -> None:
        """Record how the operation ended."""
        with self._lock:
            self._close_phase()
            self.record.state, self.record.error = state, error
            self.record.finished = moment.now()
            self._write(durable=True)

    def _close_phase(self) -> None:
        record = self.record
        if record.phase:
            record.phases.append({
                "name": record.phase, "started": record.phase_started, "finished": moment.now(),
                "items": record.items_done, "bytes": record.bytes_done,
            })

    def _write(self, durable: bool = False) -> None:
        record = self.record
        record.updated = moment.now()
        seconds = max(record.updated - record.phase_started, 1) / 1000
        record.items_per_second = round(record.items_done / seconds, 1)
        record.bytes_per_second = round(record.bytes_done / seconds, 1)
        with contextlib.suppress(OSError):  # a full disk must not stop the work for want of its report
            self._records.write(record, durable)
        self._written = time.monotonic()


class Operations:
    """The operations of one node, present and past."""

    def __init__(
        self, state_path: str, announce: Callable[[str], object] = lambda operation_id: None, next_id: str = ""
    ) -> None:
        """
        :param state_path: the node's directory for its own state; operations/ is made in it when the first one starts.
        :param announce: told the id of each operation that is started, before it waits for its turn.
        :param next_id: the id of the first operation that is started, a UUID; by it somebody else can follow it. Empty
            to choose one.
        """
        self._records = Records(os.path.join(state_path, "operations"))
        self._announce = announce
        self._next_id = next_id

    @contextlib.contextmanager
    def start(
        self, type_: str, parameters: Mapping[str, Any] | None = None, initiator: str = "", queue: str = BACKUP_QUEUE
    ) -> Iterator[Operation]:
        """Queue an operation, wait for its turn (R-262), and run the body of the with statement as it.

        Leaving the body ends it as successful, as stopped if stopping() has answered True, or as failed with the
        error's sentence; the error goes on. The body may set operation.record.result.

        :param type_: what it is, such as "SmartScan" or "External Restore".
        :param parameters: how it was called, as JSON values; never a secret.
        :param initiator: who asked for it.
        :param queue: BACKUP_QUEUE, VOLUME_QUEUE or DRILL_QUEUE.
        :raises Removed: it was told to stop while it waited. :raises AlreadyExists: its id has been used.
        :raises InvalidInput: its id is no UUID.
        """
        operation_id, self._next_id = _uuid(self._next_id or str(uuid.uuid4())), ""
        record = Record(
            id=operation_id, type=type_, number=0, queue=queue, node=platform.node(), initiator=initiator,
            parameters=dict(parameters or {}), submitted=moment.now(),
        )
        with self._records.alive(record) as predecessors:
            operation = Operation(self._records, record)
            self._announce(record.id)
            try:
                self._await_turn(operation, predecessors)
                record.state, record.started = RUNNING, moment.now()
                record.phase_started = record.started
                self._records.begin(record)
                yield operation
            except Removed as error:
                operation.finish(REMOVED, str(error))
                raise
            except Exception as error:
                operation.finish(FAILED, str(error) if isinstance(error, RestanteError) else repr(error))
                raise
            except BaseException:  # Ctrl+C, or the end of the interpreter
                operation.finish(INTERRUPTED)
                raise
            operation.finish(STOPPED if operation.told_to_stop else SUCCESSFUL)

    def get(self, operation_id: str) -> Record:
        """Return one operation.

        :raises NotFound: this node knows no such operation.
        """
        record = self._records.read(operation_id)
        if record is None:
            raise NotFound(f"This node has no operation {operation_id}; operation_info lists those it has.")
        return record

    def request_stop(self, operation_id: str) -> bool:
        """Ask an operation to stop, or take it out of the queue (R-266); False where it had ended already.

        :raises NotFound: this node knows no such operation.
        """
        if self.get(operation_id).state not in UNFINISHED:
            return False
        self._records.request_stop(operation_id)
        return True

    def stop_requested(self, operation_id: str) -> bool:
        """Return whether an unfinished operation has been asked to stop."""
        return self._records.stop_requested(operation_id)

    def stop_all(self, queue: str = "") -> int:
        """Ask what runs to stop and empty the queue (R-267); return how many were asked.

        :param queue: BACKUP_QUEUE, VOLUME_QUEUE or DRILL_QUEUE; all where it is empty.
        """
        # The last first, so that none moves up and begins while those before it are being stopped.
        last_first = [record.id for record in reversed(self.list()) if queue in ("", record.queue)]
        return sum(map(self.request_stop, last_first))

    def _await_turn(self, operation: Operation, predecessors: Sequence[str]) -> None:
        waits = True
        while waits:
            waits = any(map(self._records.lives, predecessors))
            # Asked after that: when all are stopped, none begins because the one before it has ended.
            if self._records.stop_requested(operation.id):
                raise Removed(f"The operation {operation.id} was removed from the queue before it began.")
            if waits:
                time.sleep(_POLL_SECONDS)

    def list(self) -> Sequence[Record]:
        """Return all operations that are remembered, in the order of submission."""
        return self._records.records()


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise InvalidInput(f"{text!r} cannot be an operation's id; give a UUID, such as {uuid.uuid4()}.") from error
