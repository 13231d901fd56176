# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving the vendor's command words, and following what it has begun to its end (reference, sections 2.10 and 3.0)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..model.errors import Damaged, Refused, RestanteError, Unavailable
from ..operations.progress import Progress
from ..operations.records import EXIT_CODES
from . import answers, fields, forms
from .fields import Report
from .runner import Runner
from .words import Command, Form

_FIRST_PAUSE: Final = 0.3
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two looks at an operation: each look starts a Java machine."""
_LOOKS: Final = 3
"""How many looks in a row may see nothing of an operation, or of a notification, before it counts as gone."""
_PATIENCE: Final = 900.0
"""Seconds for which the server may be unable to answer: it goes down and comes back, and its operations with it."""


class Carbonio:
    """The vendor's command line on this node."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def ask(self, command: Command) -> Any:
        """Carry out a command and return its answer. A secret is told on standard input, off the process list.

        :raises RestanteError: it has failed.
        """
        if command.secrets:
            done = self._runner.run(["--json"], command.line)
        else:
            done = self._runner.run(["--json", *command.words])
        return answers.answer_of(command, done)

    def tell(self, form: Form, **arguments: Any) -> Any:
        """Carry out a form filled in with some arguments; as ask()."""
        return self.ask(form.fill(arguments))

    def is_unfinished(self, module: str, operation_id: str) -> bool:
        """Return whether an operation of a module's queue runs or waits."""
        return fields.with_id(self.tell(forms.all_operations(module)), operation_id) is not None

    def notification_ids(self) -> list[str]:
        """Return the ids of all notifications, as they are listed."""
        listed = fields.rows(self.tell(forms.NOTIFICATIONS))
        return [str(one["id"]) for one in listed if one.get("id") is not None]

    def report(self, known: list[str], pause: Callable[[float], None] = time.sleep) -> Report | None:
        """Return the report of the restore that has just ended, None where nobody was told one.

        Operations of a node run one after the other, so it is the last end that was told of since.

        :param known: the notifications that were there before it began.
        """
        for look in range(_LOOKS):
            if look:  # it is written down when the operation has ended
                pause(_FIRST_PAUSE)
            listed = fields.rows(self.tell(forms.NOTIFICATIONS))
            for one in fields.ends([row for row in listed if str(row.get("id")) not in known]):
                told = fields.texts(self.tell(forms.NOTIFICATIONS, id=one))
                report = next((report for report in map(fields.report_of, told) if report is not None), None)
                if report is not None:
                    return report
        return None


class End(NamedTuple):
    """How an operation has ended."""

    state: str
    """One of EXIT_CODES."""
    told: Any
    """What was last told of it."""


def follow(
    carbonio: Carbonio, module: str, operation_id: str, progress: Progress,
    pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic,
) -> End:
    """Follow an operation to its end; tell how far it is, and have it stopped when that is wanted.

    :param module: whose queue it is in. :param progress: is told the phases and the counts.
    :param pause: waits for some seconds between two looks. :param clock: tells the seconds.
    :raises Unavailable: the server cannot be asked any more, or has no trace of the operation.
    :raises Damaged: it answers what cannot be read.
    """
    teller = _Teller(progress)
    seconds, gone, told_to_stop = _FIRST_PAUSE, 0, False
    heard = clock()
    while True:
        try:
            if progress.stopping() and not told_to_stop:
                carbonio.tell(forms.stop(module), operation_uuid=operation_id)
                told_to_stop = True
            end, gone = _look(carbonio, module, operation_id, teller, gone)
            heard = clock()
        except Unavailable:
            if clock() - heard > _PATIENCE:
                raise
            end = None
        if end is not None:
            return end
        if gone >= _LOOKS:
            raise Unavailable(
                f"The operation {operation_id} has vanished: carbonio lists it neither among those that run or wait "
                "nor among those that have ended. The mail server may have been restarted; look at its notifications "
                "for what it has done, then run this again."
            )
        pause(seconds)
        seconds = min(2 * seconds, _LONGEST_PAUSE)


def _look(
    carbonio: Carbonio, module: str, operation_id: str, teller: _Teller, gone: int
) -> tuple[End | None, int]:
    """Look at an operation; return its end if it has come, and how many looks have seen nothing of it."""
    try:
        told = carbonio.tell(forms.monitor(module), operation_uuid=operation_id)
    except (Unavailable, Damaged):
        raise
    except RestanteError:  # what has ended may not be shown any more
        told = None
    state = fields.state_of(told)
    if state in EXIT_CODES:
        return End(state, told), 0
    if told is not None:
        teller.tell(fields.seen(told))
    if state or carbonio.is_unfinished(module, operation_id):
        return None, 0
    logged = fields.with_id(carbonio.tell(forms.OPERATION_LOG), operation_id)
    state = fields.state_of(logged)
    return (End(state, logged), 0) if state in EXIT_CODES else (None, gone + 1)


class _Teller:
    """Tells a Progress what was seen of an operation."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = fields.Seen()

    def tell(self, seen: fields.Seen) -> None:
        last = self._last
        if (seen.phase, seen.total, seen.bytes_total) != (last.phase, last.total, last.bytes_total) and seen.phase:
            self._progress.phase(seen.phase, seen.total, seen.bytes_total)
            last = last._replace(done=0, bytes_done=0)
        self._progress.advance(max(seen.done - last.done, 0), max(seen.bytes_done - last.bytes_done, 0))
        self._last = seen


def failure(command: Command, operation_id: str, end: End) -> RestanteError:
    """Return the error that an operation which has not come to a good end stands for."""
    words = fields.ended_as(end.told)
    saying = f", saying: {words.rstrip('.')}" if words else ""
    return Refused(
        f"The operation {operation_id} of {command.shown} has ended as {end.state}{saying}. The mail server's "
        "mailbox.log and its notifications tell more; run this again when that is put right."
    )
