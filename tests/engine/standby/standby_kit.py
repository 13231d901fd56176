# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A primary with its Backup Path, and a standby that follows it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.ledger.standby import FOLLOWING, Record
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.apply import Patience
from ansible_collections.restante.carbonio.plugins.module_utils.restore.sides import BackupSide, StoreSide
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.standby.follower import Follower
from ansible_collections.restante.carbonio.plugins.module_utils.standby.origin import Origin
from ansible_collections.restante.carbonio.plugins.module_utils.standby.report import RoundReport

PACK = 16 * 1024
NO_WAIT = Patience(delays=(0, 0))


class Pair:
    """A primary, and its standby. The archive is the primary's Backup Path, unless another is given."""

    def __init__(self, path: Path, masters: Sequence[bytes] = ()) -> None:
        self.path = path
        self.masters = masters
        self.primary: Any = EmbeddedStore.create(str(path / "primary"))
        self.primary.set_redo_log(False)
        self.primary.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        self.backup = Repository.create(
            str(path / "backup"), self.primary.server_id(), pack_size=PACK, masters=masters
        )
        EmbeddedStore.create(str(path / "standby")).close()
        self.archive: Archive = DirectoryArchive(str(path / "backup"))
        Record.create(str(path / "state"), {"state": FOLLOWING, "import": "standby-1"}).close()

    def scan(self) -> None:
        """Commit what the primary holds."""
        with self.backup.writer() as writer:
            smart_scan(self.primary, writer)
        self.backup.refresh()

    @contextlib.contextmanager
    def follower(self, store: MailStore | None = None, look_seconds: float = 0, **options: Any) -> Iterator[Follower]:
        """The standby's process, as it is when it has just begun."""
        with contextlib.ExitStack() as opened:
            own = opened.enter_context(contextlib.closing(EmbeddedStore.open(str(self.path / "standby"))))
            record = opened.enter_context(contextlib.closing(Record(str(self.path / "state"))))
            origin = opened.enter_context(contextlib.closing(
                Origin(self.archive, str(self.path / "restore"), self.masters, check_seconds=0)
            ))
            yield Follower(origin, store or own, record, patience=NO_WAIT, look_seconds=look_seconds, **options)

    def round(self, **options: Any) -> RoundReport:
        """One round of a process that begins with it."""
        with self.follower(**options) as follower:
            return follower.round()

    def follow(self) -> RoundReport:
        """Commit, and follow."""
        self.scan()
        return self.round()

    @contextlib.contextmanager
    def standby(self) -> Iterator[Any]:
        """The standby's mail store."""
        with contextlib.closing(EmbeddedStore.open(str(self.path / "standby"))) as store:
            yield store

    @contextlib.contextmanager
    def record(self) -> Iterator[Record]:
        """The standby's record."""
        with contextlib.closing(Record(str(self.path / "state"))) as record:
            yield record

    def failures(self) -> list[Any]:
        with self.record() as record:
            return record.failures()

    def conflicts(self) -> list[Any]:
        with self.record() as record:
            return record.conflicts()

    def pictures(self) -> tuple[Any, Any]:
        """Return what the primary and the standby hold, in names and contents and without the ids of items."""
        with self.standby() as store:
            return picture(self.primary, self.backup), picture(store, self.backup)

    def assert_equal(self) -> None:
        """Check that the standby is what the primary is."""
        primary, standby = self.pictures()
        assert standby["entries"] == primary["entries"], (standby["entries"], primary["entries"])
        assert set(standby["items"]) == set(primary["items"])
        for account, items in primary["items"].items():
            more, less = standby["items"][account] - items, items - standby["items"][account]
            assert not more and not less, f"{account}: only on the standby: {more}; only at the primary: {less}"

    def close(self) -> None:
        self.backup.close()
        self.primary.close()


def picture(store: Any, backup: Repository) -> dict[str, Any]:
    """Return what a mail server holds, in names, paths and contents; ids of entries, but not of items."""
    side = StoreSide(store, BackupSide(backup, None))
    entries: dict[str, Any] = {}
    items: dict[str, Counter[str]] = {}
    for kind in kinds.ENTRY_KINDS:
        for entry in store.entries(kind):
            described = entry.to_json()
            attrs = dict(described.get("attrs", {}))
            calendar = attrs.pop("zimbraPrefDefaultCalendarId", None)
            if calendar:
                attrs["calendar"] = side.path(entry.entry_id, calendar[0])
            for name in ("aliases", "members"):
                described[name] = sorted(described.get(name, ()))
            described["signatures"] = sorted(map(repr, described.get("signatures", ())))
            entries[entry.entry_id] = {**described, "attrs": attrs}
            if kind == kinds.ACCOUNT:
                items[entry.entry_id] = Counter(_described(store, side, entry))
    return {"entries": entries, "items": items}


def _described(store: Any, side: StoreSide, entry: Entry) -> Iterator[str]:
    for state in store.changes(entry.entry_id).items:
        found = dict(side.describe(entry.entry_id, state))
        if state.item_id.isdecimal() and int(state.item_id) < 256:
            found.pop("date", None)  # of the system's folders: when the mailbox was made
        for name in ("folder", "remote_id"):
            if "(no folder" in str(found.get(name)):  # it is gone at the primary too
                del found[name]
        if "members" in found:  # those of accounts that are gone are no members any more
            known = set(side.names().values())
            found["members"] = [one for one in found["members"] if isinstance(one, dict) or one[0] in known]
        if state.digest:
            assert len(store.read_blob(entry.entry_id, state.item_id)) == state.size
        yield repr(sorted((key, _ordered(value)) for key, value in found.items()))


def _ordered(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, (set, list)) else value
