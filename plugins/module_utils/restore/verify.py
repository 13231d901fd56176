# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verification: is what the backup held at a moment really on the mail server, item by item, byte by byte?

A drill's verdict rests on this, so it shares no code with the restore. It takes from the import records only which item
is said to be whose copy; whether it is, it finds out by describing both without ids (see sides.py) and by hashing what
the mail server hands out.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import RestanteError
from ..model.state import NO_ATTRS, Entry, ItemState
from ..operations.progress import SILENT, Progress
from .idmap import mailbox_import
from .rewriting import differences
from .sides import BackupSide, Description, StoreSide

MAX_DIFFERENCES: Final = 1000
"""How many differences are named; all are counted."""


class Difference(NamedTuple):
    """One thing that is not as the backup says."""

    account: str
    """Address; empty for an entry that is no account."""
    item_id: str
    """Id in the backup; the name for an entry."""
    kind: str
    field: str
    """"missing", "twice", "content", or the field that differs."""
    expected: str
    found: str


@dataclasses.dataclass
class VerifyReport:
    """What was compared, by kind, and what differs."""

    expected: Counter[str] = dataclasses.field(default_factory=Counter)
    """What the backup holds."""
    verified: Counter[str] = dataclasses.field(default_factory=Counter)
    """Equal in every field, and in content."""
    missing: Counter[str] = dataclasses.field(default_factory=Counter)
    different: Counter[str] = dataclasses.field(default_factory=Counter)
    """There, but with at least one difference."""
    not_held: Counter[str] = dataclasses.field(default_factory=Counter)
    """What the backup holds and this mail server cannot; it is not among the expected."""
    rewritten: Counter[str] = dataclasses.field(default_factory=Counter)
    """Contents that this mail server has written anew, and that say the same; these count as verified."""
    foreign: Counter[str] = dataclasses.field(default_factory=Counter)
    """Items of the verified accounts that are no copy of anything in the backup: new mail, or something restored twice
    outside of the import's records. On a fresh server there are none but the system's own folders."""
    compared: Counter[str] = dataclasses.field(default_factory=Counter)
    """In how many items and entries a field has been compared: those in which either side has a value."""
    differing: Counter[str] = dataclasses.field(default_factory=Counter)
    """In how many of these it differs; "missing" counts what has no copy."""
    accounts: dict[str, tuple[Counter[str], Counter[str]]] = dataclasses.field(default_factory=dict)
    """What was expected and what verified of each account, by address: the entry itself and its items, by kind."""
    differences: list[Difference] = dataclasses.field(default_factory=list)
    """The first MAX_DIFFERENCES of them."""
    stopped: bool = False

    @property
    def passed(self) -> bool:
        """Whether everything that was expected was verified."""
        return not self.stopped and self.verified == self.expected

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        counts = (
            "expected", "verified", "missing", "different", "not_held", "rewritten", "foreign", "compared", "differing",
        )
        return {
            **{name: dict(sorted(getattr(self, name).items())) for name in counts},
            "differences": [difference._asdict() for difference in self.differences],
            "passed": self.passed,
        }


def verify(
    source: Repository,
    store: MailStore,
    import_id: str,
    *,
    ids: Mapping[str, str] = NO_ATTRS,
    at: int | None = None,
    accounts: Collection[str] | None = None,
    directory: bool = True,
    original: Callable[[str], bytes] | None = None,
    progress: Progress = SILENT,
) -> VerifyReport:
    """Compare a mail server with what a backup held.

    :param import_id: under which the restore wrote (MailStore.imported).
    :param ids: id in the backup to id at the destination of what was imported, as the map has them.
    :param at: UTC milliseconds; None for the backup's last state.
    :param accounts: addresses or ids (in the backup) of the accounts that were to be restored; None for all.
    :param original: gives a content of the backup by its digest, for a mail server that rewrites contents; None for
        the packs beside the backup.
    :param directory: compare domains, the classes of service that these accounts use, and distribution lists too.
    :raises RestanteError: the mail server does not answer at all; an item that it does not give is a difference.
    """
    return _Verification(source, store, import_id, ids, at, original or source.read_blob, progress).run(
        accounts, directory
    )


_Differing = tuple[str, Any, Any]
"""A field, what it should be, and what it is."""


class _Verification:
    def __init__(
        self, source: Repository, store: MailStore, import_id: str, ids: Mapping[str, str], at: int | None,
        original: Callable[[str], bytes], progress: Progress,
    ) -> None:
        self.report = VerifyReport()
        self._source = source
        self._store = store
        self._import_id = import_id
        self._ids = ids
        self._at = at
        self._original = original
        self._progress = progress
        self._held = store.capabilities().item_kinds
        self._backup = BackupSide(source, at)
        self._server = StoreSide(store, self._backup)
        self._absent_ids: set[str] | None = None

    def run(self, named: Collection[str] | None, directory: bool) -> VerifyReport:
        self._progress.phase("verifying the directory")
        accounts = [
            entry for entry in self._entries(kinds.ACCOUNT)
            if named is None or entry.name in named or entry.entry_id in named
        ]
        used = {value for account in accounts for value in account.attrs.get("zimbraCOSId", ())}
        for kind in (kinds.DOMAIN, kinds.COS, kinds.DISTRIBUTION_LIST) if directory else ():
            for entry in self._entries(kind):
                if kind != kinds.COS or entry.entry_id in used:  # only those in use are restored
                    self._entry(entry)
        self._progress.phase("verifying mailboxes")
        for account in accounts:
            copy = self._entry(account)
            self._mailbox(account, copy)
        return self.report

    def _entries(self, kind: str) -> Iterator[Entry]:
        for last in self._source.entries(kind, self._at):
            if isinstance(last.state, Entry):
                yield last.state

    def _entry(self, entry: Entry) -> Entry | None:
        address = entry.name if entry.kind == kinds.ACCOUNT else ""
        self._expected(address, entry.kind)
        copy = self._store.find_entry(entry.kind, entry.name)
        if copy is None:
            self._missing(address, entry.name, entry.kind)
            return None
        expected, found = self._backup.describe_entry(entry, self._absent()), self._server.describe_entry(copy)
        self.report.compared.update(dict.fromkeys(expected, 1))
        self._compared(address, entry.name, entry.kind, list(_differing(expected, found, joined=True)))
        return copy

    def _absent(self) -> Collection[str]:
        """Return the ids of the backup's entries that the mail server does not have."""
        if self._absent_ids is None:
            here = set(self._server.names().values())
            self._absent_ids = {entry_id for entry_id, name in self._backup.names().items() if name not in here}
        return self._absent_ids

    def _mailbox(self, account: Entry, copy: Entry | None) -> None:
        address, account_id = account.name, account.entry_id
        copies, twice = ({}, set()) if copy is None else self._copies(account_id, copy.entry_id)
        claimed = set()
        for last in self._source.states(account_id, self._at):
            state = last.state
            if not isinstance(state, ItemState):
                continue
            if self._progress.stopping():
                self.report.stopped = True
                return
            self._progress.advance(1, state.size)
            if state.kind not in self._held or not self._held.issuperset(filter(None, (_view(state),))):
                self.report.not_held[state.kind] += 1
                continue
            self._expected(address, state.kind)
            found = None if copy is None else self._copy_of(account_id, state, copy.entry_id, copies)
            if copy is None or found is None:
                self._missing(address, state.item_id, state.kind)
                continue
            differing = self._compare(account_id, state, copy.entry_id, found)
            if state.item_id in twice:
                differing.append(("twice", "one copy", "several"))
            if found.item_id in claimed:
                differing.append(("copy", "one of its own", f"{found.item_id}, which is another item's copy too"))
            claimed.add(found.item_id)
            self._compared(address, state.item_id, state.kind, differing)
        if copy is not None:
            for present in self._store.changes(copy.entry_id).items:
                if present.item_id not in claimed:
                    self.report.foreign[present.kind] += 1

    def _compare(self, account_id: str, state: ItemState, copy_id: str, found: ItemState) -> list[_Differing]:
        """Return what differs between an item of the backup, as this mail server can hold it, and its copy."""
        held = self._store.held(copy_id, state)
        expected, there = self._backup.describe(account_id, held), self._server.describe(copy_id, found)
        for field in self._backup.describe(account_id, state):
            if field not in expected:  # what it cannot hold, it may have made up
                there = {key: value for key, value in there.items() if key != field}
        differing: list[_Differing] = []
        if state.digest:
            digest, size, differing = self._content(state, copy_id, found.item_id)
            expected = {**expected, "digest": digest, **({"size": size} if size else {})}
            self.report.compared["content"] += 1
        self.report.compared.update(dict.fromkeys({**expected, **there}, 1))
        return [*_differing(expected, there, joined=state.kind == kinds.FOLDER), *differing]

    def _content(self, state: ItemState, copy_id: str, item_id: str) -> tuple[str, int, list[_Differing]]:
        """Compare the content of an item with its copy's.

        :return: digest and size that the copy should have, as this mail server gives back contents, and what differs.
        """
        try:
            blob = self._store.read_blob(copy_id, item_id)
        except (RestanteError, OSError) as error:
            return state.digest, state.size, [("content", state.digest, f"(unreadable: {error})")]
        digest = hashlib.sha256(blob).hexdigest()
        if digest == state.digest:
            return digest, state.size, []
        try:
            wanted = self._store.held_blob(state.kind, self._original(state.digest))
        except RestanteError:
            return state.digest, state.size, [("content", state.digest, digest)]
        if wanted == blob:
            return digest, len(blob), []
        said = differences(wanted, blob) if self._store.rewrites(state.kind) else None
        if said is None:
            held = hashlib.sha256(wanted).hexdigest()
            return held, len(wanted), [("content", held, digest)]
        if said == ([], []):
            self.report.rewritten[state.kind] += 1
            return digest, len(blob), []
        return digest, len(blob), [("content", ", ".join(said[0]), ", ".join(said[1]))]

    def _copies(self, account_id: str, copy_id: str) -> tuple[dict[str, str], set[str]]:
        """Return the item id of each copy by its origin, and the origins that have been written more than once."""
        copies: dict[str, str] = {}
        twice = set()
        import_id = mailbox_import(self._import_id, self._ids, account_id)
        for origin, item_id in self._store.imported(copy_id, import_id):
            if copies.setdefault(origin, item_id) != item_id:
                twice.add(origin)
        return copies, twice

    def _copy_of(
        self, account_id: str, state: ItemState, copy_id: str, copies: dict[str, str]
    ) -> ItemState | None:
        recorded = copies.get(state.item_id)
        found = None if recorded is None else self._store.item(copy_id, recorded)
        if found is None and state.kind == kinds.FOLDER:
            # A folder that was there already need not be in the import's records: its path says which it is.
            folder_id = self._server.folder_at(copy_id, self._backup.path(account_id, state.item_id))
            found = None if folder_id is None else self._store.item(copy_id, folder_id)
        return found

    def _expected(self, address: str, kind: str) -> None:
        self.report.expected[kind] += 1
        if address:
            self.report.accounts.setdefault(address, (Counter(), Counter()))[0][kind] += 1

    def _missing(self, address: str, item_id: str, kind: str) -> None:
        self.report.missing[kind] += 1
        self._name(address, item_id, kind, ("missing", "", ""))

    def _compared(self, address: str, item_id: str, kind: str, differences: Collection[_Differing]) -> None:
        (self.report.different if differences else self.report.verified)[kind] += 1
        if address and not differences:
            self.report.accounts[address][1][kind] += 1
        for difference in differences:
            self._name(address, item_id, kind, difference)

    def _name(self, address: str, item_id: str, kind: str, difference: _Differing) -> None:
        self.report.differing[difference[0]] += 1
        if len(self.report.differences) < MAX_DIFFERENCES:
            field, expected, found = difference
            self.report.differences.append(
                Difference(address, item_id, kind, field, _short(expected), _short(found))
            )


def _view(state: ItemState) -> str:
    """Return the kind of item that a folder is made for."""
    return str(state.attrs.get("view") or "") if state.kind == kinds.FOLDER else ""


def _differing(expected: Description, found: Description, joined: bool) -> Iterator[_Differing]:
    """Yield what differs.

    :param joined: the copy may be something that the server had before, which was joined with what was restored. An
        import takes nothing away: a field that only the server has, or further values in a set, are no difference.
    """
    for field in sorted(expected if joined else {*expected, *found}):
        one, other = expected.get(field), found.get(field)
        if one != other and not (joined and isinstance(one, set) and one <= (other or set())):
            yield field, one, other


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
