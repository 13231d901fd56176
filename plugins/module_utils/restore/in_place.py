# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Items of the past put into the mailbox they are from: what Single Item Restore and Undelete have in common.

A copy is recorded under <item id>@<sequence number of its state>. So whichever of the two has made it, no later run of
either makes it a second time; also not when somebody has deleted it since: that is a deletion of its own.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import RestanteError
from ..model.state import Entry, ItemState
from ..operations.feedback import Feedback, Notify
from ..operations.progress import SILENT, Progress
from ..operations.report import BROKEN_ITEM, READ_ERROR, RestoreReport
from . import plan
from .apply import PATIENT, Patience
from .blobs import Blobs
from .copying import LateCopies
from .idmap import ImportMap, OriginSet, import_id_of
from .mailbox import MailboxRestore
from .options import ExternalOptions
from .past import Known, Past
from .placement import Placement
from .references import SameServer
from .session import Account, Import, Session, Sides
from .undeleted import visible

RECORD: Final = "items"
"""The map of an account's items that came back is accounts/<id>/map_<server id>.items of the Backup Path."""

TAGGED: Final = (*plan.STREAMED, kinds.CONTACT_GROUP)
"""The kinds that can have tags."""

_NEEDED: Final = (kinds.FOLDER, kinds.TAG)
"""What other items lie in or have comes with the placement."""


class InPlacePlan(NamedTuple):
    """What is to be in a mailbox again. It holds nothing open: it is given the backup and the mailbox."""

    strategy: str
    """Its name."""
    account: Entry
    items: Callable[[Repository], Iterator[Known]]
    """Yields the items from the backup, each time the same."""
    place: Callable[[Placement, Known], str]
    """Returns the key of the folder of an item."""
    until: int
    """UTC milliseconds: folders that are made again get the attributes that they had then."""
    title: str
    """What is done, in a sentence."""
    skip_present: bool = False
    """Whether items that the mailbox has under their id, with the same content, are left out."""
    tag: str = ""
    """A tag for everything that comes back."""
    apart: str = ""
    """Where the items are put that do not come back to where they were: that is a copy of its own."""
    notes: tuple[str, ...] = ()
    """What the administrator should know."""
    instead: Callable[[Repository, Blobs], str] = lambda source, blobs: ""
    """Says what could be done where a content cannot be read."""

    def key(self, known: Known) -> str:
        """Return under what the copy of an item is recorded."""
        return f"{known.state.item_id}@{known.seq}" + (f"/{self.apart}" if self.apart else "")


class Outstanding(NamedTuple):
    """What of a plan no earlier run has written."""

    items: Counter[str]
    folders: Sequence[str]
    """Paths of the folders that are to be made."""
    changed: Sequence[str]
    """Paths of the folders that are there, and get the attributes that they had."""

    def lines(self, planned: InPlacePlan) -> list[str]:
        """Return the steps as text."""
        if not self.items:
            return list(planned.notes)
        return [
            planned.title,
            *(f"create folder {path}" for path in self.folders),
            *(f"change folder {path}" for path in self.changed),
            *(f"restore {count} x {kind}" for kind, count in sorted(self.items.items())), *planned.notes,
        ]


class Contents:
    """The items of a plan as MailboxRestore takes them, with the folders and tags that they need."""

    max_size: Final = 0

    def __init__(self, source: Repository, store: MailStore, planned: InPlacePlan, import_id: str | None) -> None:
        """:param import_id: that of earlier runs; None where there was none."""
        self.account_id = planned.account.entry_id
        self._plan = planned
        self._source = source
        self._store = store
        self._there = OriginSet()
        for origin, _unused in store.imported(self.account_id, import_id) if import_id else ():
            self._there.add(origin)
        self._past = Past(source, self.account_id)
        self._placement = Placement(
            store, self.account_id, self._past, planned.until, planned.apart, taken=self._there
        )
        self._counts: Counter[str] = Counter()
        self._keys: dict[str, str] = {}
        self._present = OriginSet()
        for known in planned.items(source):
            if planned.key(known) in self._there:
                continue
            if planned.skip_present and self._has(known):
                self._present.add(planned.key(known))
                continue
            state = self._placed(known)
            if state.kind == kinds.CONTACT:
                self._keys[known.state.item_id] = state.item_id
            if state.kind not in _NEEDED:
                self._counts[state.kind] += 1

    def outstanding(self) -> Outstanding:
        """Return what is to be written."""
        folders, changed = self._placement.new_folders(), self._placement.changed_folders()
        made = Counter({kinds.FOLDER: len(folders) + len(changed), kinds.TAG: len(self._placement.new_tags())})
        return Outstanding(self._counts + made, folders, changed)

    def states(self, wanted: Collection[str], newest_first: bool = False) -> Iterator[ItemState]:
        """Yield the items of some kinds. See Scope. Asks the mail store nothing: another thread uses that meanwhile."""
        if kinds.FOLDER in wanted:
            yield from self._placement.folders.values()
        if kinds.TAG in wanted:
            yield from self._placement.tags.values()
        for known in self._plan.items(self._source):
            key = self._plan.key(known)
            if known.state.kind in wanted and known.state.kind not in _NEEDED and key not in self._present:
                yield known.state._replace(item_id=key) if key in self._there else self._placed(known)

    def contact_key(self, item_id: str) -> str | None:
        """Return the key of a contact that comes back, None for any other."""
        return self._keys.get(item_id)

    def has_contact(self, item_id: str) -> bool:
        """Return whether the mailbox has a contact."""
        present = self._store.item(self.account_id, item_id)
        return present is not None and present.kind == kinds.CONTACT

    def _has(self, known: Known) -> bool:
        state, present = known.state, self._store.item(self.account_id, known.state.item_id)
        if present is None or not self._past.same_mailbox(known.seq):
            return False
        return (present.kind, present.digest) == (state.kind, state.digest)

    def _placed(self, known: Known) -> ItemState:
        """Return an item with the keys of its folder and its tags; these are needed from now on."""
        state, place = known.state, self._placement
        if state.kind == kinds.TAG:
            place.tag_again(known)
            return state
        folder = self._plan.place(place, known)
        if state.kind == kinds.FOLDER:
            return state
        tags = [place.tag(tag, known.until) for tag in state.tags]
        if self._plan.tag and state.kind in TAGGED:
            tags.append(place.new_tag(self._plan.tag))
        placed = visible(state)._replace(item_id=self._plan.key(known), tags=tuple(tags))
        if state.kind == kinds.DATA_SOURCE:
            return placed._replace(attrs={**state.attrs, "folder": folder}) if folder else placed
        return placed._replace(folder=folder)


def earlier_copy(source: Repository, store: MailStore, backup_path: str, planned: InPlacePlan, known: Known) -> str:
    """Return the id of the copy of an item that an earlier run has made; empty where there was none."""
    account_id = planned.account.entry_id
    import_id = import_id_of(backup_path, _record(source.server_id), account_id)
    pairs = store.imported(account_id, import_id) if import_id else ()
    return next((item_id for origin, item_id in pairs if origin == planned.key(known)), "")


def outstanding(source: Repository, store: MailStore, backup_path: str, planned: InPlacePlan) -> Outstanding:
    """Return what of a plan no earlier run has written."""
    import_id = import_id_of(backup_path, _record(source.server_id), planned.account.entry_id)
    return Contents(source, store, planned, import_id).outstanding()


def restore_in_place(
    sides: Sides,
    planned: InPlacePlan,
    *,
    progress: Progress = SILENT,
    notify: Notify = lambda type_, subject, text: None,
    patience: Patience = PATIENT,
    expected: int = 0,
) -> RestoreReport:
    """Put items into the mailbox again. Work that progress asks to stop ends early; run again, it goes on.

    :param sides: both of this server. :param expected: how many items there are to restore.
    :raises RestanteError: the restore cannot go on. What was restored until then is there, and is skipped next time.
    """
    feedback, report = Feedback(planned.strategy, notify), RestoreReport()
    feedback.started(planned.title)
    for note in planned.notes:
        report.warn(note)
    try:
        _restore(sides, planned, progress, patience, expected, report)
    except RestanteError as error:
        feedback.failed(error, report)
        raise
    feedback.ended(report, progress.stopping())
    return report


def _restore(
    sides: Sides, planned: InPlacePlan, progress: Progress, patience: Patience, expected: int, report: RestoreReport
) -> None:
    account = Account(planned.account, planned.account.entry_id)
    with contextlib.closing(sides.store()) as store:
        record = _record(store.server_id())
    with contextlib.closing(ImportMap(sides.backup_path, record, account.destination_id)) as import_map:
        task = Import(sides, ExternalOptions(), patience, import_map.import_id, {})
        with contextlib.closing(_Mailbox(task, planned, progress)) as session:
            progress.phase("items", expected)
            late = False
            with session.mailbox(account, report) as applier:
                contents = session.scope(account)
                late = _InPlace(contents, session.blobs, applier, session.references.entry, progress).run()
            if late and not progress.stopping():
                progress.phase("mountpoints and data sources")
                LateCopies(session, True, (), report, progress).restore([account])
            if any(one.cause in (READ_ERROR, BROKEN_ITEM) for one in report.unrestored):
                instead = planned.instead(session.source, session.blobs)
                if instead:
                    report.warn(instead)
    report.unrestored[:] = [one._replace(item_id=one.item_id.partition("@")[0]) for one in report.unrestored]


def _record(server_id: str) -> str:
    return f"{server_id}.{RECORD}"


class _Mailbox(Session):
    """Both sides are of the same server, and the mailbox is that of the backup."""

    def __init__(self, task: Import, planned: InPlacePlan, progress: Progress) -> None:
        super().__init__(task, progress)
        self.references = SameServer(self.source, self.store, task.ids, task.import_id)
        self._contents = Contents(self.source, self.store, planned, task.import_id)

    def scope(self, account: Account) -> Contents:
        """See Session."""
        return self._contents

    def same_mailbox(self, account: Account) -> bool:
        """Return False: what was deleted is not there under the id that it had."""
        return False


class _InPlace(MailboxRestore[Contents]):
    """Contacts of a group that were not deleted are there still; the others have come back as copies."""

    def _own_contacts(self, groups: Iterable[ItemState]) -> Iterator[str]:
        for item_id in super()._own_contacts(groups):
            key = self._scope.contact_key(item_id)
            if key is not None:
                yield key

    def _contact(self, item_id: str) -> str | None:
        if self._scope.has_contact(item_id):
            return item_id
        return self._contacts.get(self._scope.contact_key(item_id) or "") or None
