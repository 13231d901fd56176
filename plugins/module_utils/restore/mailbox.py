# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Phase 2 for one mailbox: folders, tags, filters, then the newest mail first, then what refers to other items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from ..backup.repository import Repository
from ..mailstore.port import NewItem
from ..model import kinds
from ..model.errors import RestanteError, Unavailable
from ..model.state import ItemState
from ..operations.progress import Progress
from . import plan, shares
from .ahead import Ahead
from .apply import MailboxApplier
from .attributes import EntryIds
from .blobs import Blobs
from .folders import Folders
from .idmap import OriginSet
from .plan import ItemStep
from .undeleted import Undeleted

MIB: Final = 1024 * 1024
WINDOW_STEPS: Final = 16_384
WINDOW_ITEMS: Final = 2048
WINDOW_BYTES: Final = 16 * MIB
"""How much is read ahead at once: enough that a reader of packs finds neighbours, little enough for memory."""
FIRST_WINDOW: Final = 4
"""The first window of a mailbox is such a part, so that writing begins soon; each next one is twice as large."""
BATCH_ITEMS: Final = 1024
BATCH_BYTES: Final = 16 * MIB
"""How much is written in one transaction of the mail server."""

STRUCTURE: Final = (
    kinds.FOLDER, kinds.TAG, kinds.FILTER_SET, kinds.CONTACT_GROUP, kinds.MOUNTPOINT, kinds.DATA_SOURCE,
)
"""What others refer to, or what refers to others; a mailbox has few of them."""


class Content(NamedTuple):
    """An item to be written, with its content, or why that cannot be read."""

    state: ItemState
    blob: bytes | None
    error: RestanteError | None = None


class _Window(NamedTuple):
    """A stretch of a mailbox's plan."""

    writes: Sequence[Content]
    skipped: Counter[str]
    left: Sequence[ItemStep]


class Scope(NamedTuple):
    """What of a backup's mailbox is to be restored."""

    source: Repository
    account_id: str
    deleted: bool = False
    """Also what is deleted at the source."""
    max_size: int = 0
    """Bytes; items with a larger content are left out."""
    at: int | None = None
    """As it was then, UTC milliseconds; None for the backup's end."""
    undeleted: Undeleted | None = None
    """What becomes of the deleted items; None to take them as they were last."""

    def states(self, wanted: Collection[str], newest_first: bool = False) -> Iterator[ItemState]:
        """Yield the items of some kinds."""
        for transaction in self.source.states(self.account_id, self.at, wanted, newest_first, self.deleted):
            state = transaction.state if self.undeleted is None else self.undeleted.placed(transaction)
            if isinstance(state, ItemState):
                yield state


class Items(Protocol):
    """What MailboxRestore is given: some items of an account of the backup; a Scope, or a choice of its items."""

    @property
    def account_id(self) -> str: ...

    @property
    def max_size(self) -> int: ...

    def states(self, wanted: Collection[str], newest_first: bool = False) -> Iterator[ItemState]: ...


_Items = TypeVar("_Items", bound=Items)


class MailboxRestore(Generic[_Items]):
    """Restores the items of one mailbox, each once."""

    folders: Folders
    """What each folder became, once run() has ended."""

    def __init__(
        self, scope: _Items, blobs: Blobs, applier: MailboxApplier, entry_ids: EntryIds, progress: Progress
    ) -> None:
        self._scope = scope
        self._blobs = blobs
        self._applier = applier
        self._entry_ids = entry_ids
        self._progress = progress
        self._present = OriginSet()
        self._tags: dict[str, str] = {}
        self._contacts: dict[str, str] = {}

    def run(self) -> bool:
        """Restore all but what belongs to phase 3; return whether there is something for phase 3. To be called once."""
        structure: dict[str, list[ItemState]] = {kind: [] for kind in STRUCTURE}
        for state in self._scope.states(STRUCTURE):
            structure[state.kind].append(state)
        groups = structure[kinds.CONTACT_GROUP]
        own_groups = [group for group in groups if not shares.has_foreign_members(group, self._scope.account_id)]
        self._contacts = dict.fromkeys(self._own_contacts(own_groups), "")
        wanted = {state.item_id for kind in (kinds.FOLDER, kinds.TAG) for state in structure[kind]}
        imported = self._applier.imported(wanted | set(self._contacts), self._present)
        self._contacts.update((origin, imported[origin]) for origin in self._contacts if origin in imported)
        self.folders = Folders(self._applier, self._entry_ids, imported)
        self.folders.restore(structure[kinds.FOLDER])
        self._restore_tags(structure[kinds.TAG], imported)
        self._restore_filters(structure[kinds.FILTER_SET])
        self._restore_items(self._scope.states(plan.STREAMED, newest_first=True))
        self._restore_items(list(self._with_members(own_groups)))
        return len(own_groups) < len(groups) or bool(structure[kinds.MOUNTPOINT] or structure[kinds.DATA_SOURCE])

    def _own_contacts(self, groups: Iterable[ItemState]) -> Iterator[str]:
        for group in groups:
            for member in group.attrs.get("members", ()):
                contact = shares.contact_of(member, self._scope.account_id)
                if contact is not None:
                    yield contact[1]

    # -- what others refer to --------------------------------------------------------------------------------------

    def _restore_tags(self, tags: Sequence[ItemState], imported: dict[str, str]) -> None:
        """A tag that is there under its name is used as it is. One that somebody has removed since is made again."""
        self._tags = {
            tag.item_id: imported[tag.item_id] for tag in tags
            if tag.item_id in imported and self._applier.has(kinds.TAG, imported[tag.item_id])
        }
        new = [tag for tag in tags if tag.item_id not in self._tags]
        self._applier.skip(Counter({kinds.TAG: len(self._tags)}))
        there = self._applier.named(kinds.TAG) if new else {}
        unknown: dict[str, ItemState] = {}
        joined = []
        for tag in new:
            if tag.name in there:
                joined.append(tag)
            elif unknown.setdefault(tag.name, tag) is not tag:
                joined.append(tag)  # two of one name, one of them deleted: both become the same tag
        for tag, written in zip(unknown.values(), self._applier.make(list(unknown.values()), imported)):
            if not written.error:
                self._tags[tag.item_id] = written.item_id
                there[tag.name] = tag._replace(item_id=written.item_id)
        self._tags.update((tag.item_id, there[tag.name].item_id) for tag in joined if tag.name in there)
        self._applier.adopt([(tag, there[tag.name].item_id) for tag in joined if tag.name in there])

    def _restore_filters(self, filters: Sequence[ItemState]) -> None:
        """Filters are an account's preferences: those of the backup take the place of others of the same name."""
        new = [state for state in filters if state.item_id not in self._present]
        self._applier.skip(Counter(state.kind for state in filters if state.item_id in self._present))
        there = self._applier.named(kinds.FILTER_SET) if new else {}
        for content in read_contents(self._blobs, new):
            present = there.get(content.state.name)
            if content.error is not None:
                self._applier.unreadable(content.state, content.error)
            elif present is None:
                self._applier.write([NewItem(content.state.item_id, content.state, content.blob)])
            elif present.digest == content.state.digest:
                self._applier.adopt([(content.state, present.item_id)])
            else:
                self._applier.warn(f"The {present.name} filters were replaced by those of the backup.")
                self._applier.change(content.state, present, content.blob)

    # -- the stream of items ---------------------------------------------------------------------------------------

    def _restore_items(self, states: Iterable[ItemState]) -> None:
        with Ahead(self._windows(plan.items(states, self._present, self._scope.max_size))) as windows:
            for window in windows:
                self._applier.skip(window.skipped)
                for step in window.left:
                    self._applier.leave(step.state, step.state.item_id, step.cause, step.reason)
                for batch in _batches(window.writes):
                    self._write(batch)
                    if self._progress.stopping():
                        break
                if self._progress.stopping():
                    return

    def _windows(self, steps: Iterable[ItemStep]) -> Iterator[_Window]:
        """Cut a plan into windows and read their contents; this runs in the background."""
        writes: list[ItemState] = []
        skipped: Counter[str] = Counter()
        left: list[ItemStep] = []
        size = 0
        part = FIRST_WINDOW
        for number, step in enumerate(steps, 1):
            if step.action == plan.SKIP:
                skipped[step.state.kind] += 1
            elif step.action == plan.LEAVE:
                left.append(step)
            else:
                writes.append(step.state)
                size += step.state.size
            full = size * part >= WINDOW_BYTES or len(writes) * part >= WINDOW_ITEMS
            if full or number % WINDOW_STEPS == 0:
                yield _Window(read_contents(self._blobs, writes), skipped, left)
                writes, skipped, left, size = [], Counter(), [], 0
                part = max(part // 2, 1)
        yield _Window(read_contents(self._blobs, writes), skipped, left)

    def _write(self, batch: Sequence[Content]) -> None:
        new = []
        there = []
        for content in batch:
            if not self._applier.holds(content.state.kind):
                self._applier.leave_unheld(content.state)
            elif content.error is not None:
                self._applier.unreadable(content.state, content.error)
            elif self._applier.is_there(content.state):
                there.append((content.state, content.state.item_id))
            else:
                new.append(NewItem(
                    content.state.item_id, self._placed(content.state), content.blob, content.blob is not None
                ))
        self._applier.adopt(there)
        written = self._applier.write(new)
        if self._contacts:
            ids = [(state.item_id, item_id) for state, item_id in there]
            ids += [(item.origin, item.item_id) for item in written]
            self._contacts.update((origin, item_id) for origin, item_id in ids if origin in self._contacts)

    def _placed(self, state: ItemState) -> ItemState:
        """Return an item with the folder and the tags that it has at the destination."""
        folder = self.folders.id_of(state.folder)
        if not state.tags:
            return state._replace(folder=folder)
        tags = tuple(sorted(self._tags[tag] for tag in state.tags if tag in self._tags))
        if len(tags) < len(state.tags):
            self._applier.warn("Some items had tags that the backup does not have or the mail server refused.")
        return state._replace(folder=folder, tags=tags)

    def _with_members(self, groups: Iterable[ItemState]) -> Iterator[ItemState]:
        for group in groups:
            resolved = shares.members(
                group, self._scope.account_id, self._entry_ids, lambda owner, item: self._contact(item)
            )
            if group.item_id not in self._present:
                self._applier.warn_all(resolved.problems)
            yield group._replace(attrs=resolved.attrs)

    def _contact(self, item_id: str) -> str | None:
        """Return what a contact of the backup is at the destination, None where it is not there."""
        return self._contacts.get(item_id) or None


def read_contents(blobs: Blobs, states: Sequence[ItemState]) -> list[Content]:
    """Return items with their contents, in the same order.

    :raises Unavailable: where the contents are cannot be reached; that concerns them all.
    """
    read: dict[str, bytes | RestanteError] = {}
    wanted = list(dict.fromkeys(state.digest for state in states if state.digest))
    for digest, blob in blobs.read(wanted) if wanted else ():
        if isinstance(blob, Unavailable):
            raise blob
        read[digest] = blob
    contents = []
    for state in states:
        found = read.get(state.digest)
        error = found if isinstance(found, RestanteError) else None
        contents.append(Content(state, None if isinstance(found, RestanteError) else found, error))
    return contents


def _batches(contents: Sequence[Content]) -> Iterator[Sequence[Content]]:
    """Cut a window into what is written at once."""
    batch: list[Content] = []
    size = 0
    for content in contents:
        batch.append(content)
        size += content.state.size
        if size >= BATCH_BYTES or len(batch) >= BATCH_ITEMS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
