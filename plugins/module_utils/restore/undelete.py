# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time-range Undelete: what was deleted from a mailbox in an interval comes back (R-080 to R-096; reference, 4.4).

A deletion is the moment at which an item left the mailbox, and not that at which it went to the Trash. The item comes
back as it was last before that, to the folder where it was before it went to the Trash; to the Trash only what never
was anywhere else. The folder is the one of the path that it had then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..model import kinds, moment
from ..model.errors import InvalidInput
from ..model.moment import Moment
from ..model.state import Entry
from .in_place import InPlacePlan
from .past import Known, Past
from .placement import Placement
from .undeleted import NEVER

NAME: Final = "Undelete"


class Interval(NamedTuple):
    """From when until when, both ends included."""

    start: Moment = moment.FIRST
    end: Moment = moment.LAST


def plan_undelete(
    source: Repository, account: Entry, interval: Interval, today: datetime, original_folder: bool = True
) -> InPlacePlan:
    """Return the plan for an account that the mail server has.

    :param today: the day of the tag (R-084), in the node's time zone.
    :param original_folder: where items come back to: their folders, or one folder of the name of the tag (R-088).
    :raises InvalidInput: the end of the interval comes before its start.
    """
    since, until = (_in(source, one) for one in interval)
    if until < since:
        raise InvalidInput(f"The interval ends at {moment.iso(until)}, before it starts at {moment.iso(since)}.")
    tag = today.strftime("undelete_%d_%m_%y")

    def items(opened: Repository) -> Iterator[Known]:
        past = Past(opened, account.entry_id)
        for deletion in opened.deleted_between(account.entry_id, since, until):
            if deletion.kind in NEVER or past.went_with_account(deletion):
                continue
            known = past.item(deletion.item_id, deletion.seq)
            if known is not None:
                yield known

    def place(placement: Placement, known: Known) -> str:
        folder = known.state.item_id if known.state.kind == kinds.FOLDER else known.state.folder
        return placement.folder(folder, known.until, "" if original_folder else tag)

    where = "to where it was" if original_folder else f"into the folder {tag}"
    return InPlacePlan(
        NAME, account, items, place, until, skip_present=True, tag=tag, apart="" if original_folder else "undelete",
        title=(
            f"What was deleted from {account.name} between {moment.iso(since)} and {moment.iso(until)} comes back "
            f"{where}, with the tag {tag}."
        ),
    )


def _in(source: Repository, wanted: Moment) -> int:
    """Return what a moment means in a backup (R-094); one beyond its ends means what it says."""
    first, last = source.span() or (0, 0)
    return first if wanted == moment.FIRST else last if wanted == moment.LAST else int(wanted)
