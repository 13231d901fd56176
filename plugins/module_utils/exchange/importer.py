# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Importing files into a mailbox, each item once however often it is run."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ..mailstore.port import MailStore, NewItem
from ..model import kinds
from ..model.errors import InvalidInput, RestanteError
from ..model.state import ItemState
from ..operations.progress import SILENT, Progress
from .readers import Found, Problem, read

_BATCH_ITEMS: Final = 256
_BATCH_BYTES: Final = 8 * 1024 * 1024
_VIEWS: Final = {
    kinds.MESSAGE: "message", kinds.APPOINTMENT: "appointment", kinds.TASK: "task", kinds.CONTACT: "contact",
    kinds.CONTACT_GROUP: "contact", kinds.DOCUMENT: "document",
}
_HOMES: Final = {
    "message": "Inbox", "appointment": "Calendar", "task": "Tasks", "contact": "Contacts", "document": "Briefcase",
}
"""The folder by view for what is imported without one."""

_MAILDIR_NAME: Final = re.compile(r"(?:cur|new)/([^/]*?)(?::2,[^/]*)?$")


class ImportReport:
    """What an import came to."""

    def __init__(self) -> None:
        self.imported: Counter[str] = Counter()
        """By kind."""
        self.existed: Counter[str] = Counter()
        """What an earlier import of the same file had brought, by kind."""
        self.problems: list[Problem] = []
        """What was not imported, and why."""

    @property
    def changed(self) -> bool:
        """Whether anything was imported."""
        return bool(self.imported)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "imported": dict(sorted(self.imported.items())),
            "existed": dict(sorted(self.existed.items())),
            "problems": [problem._asdict() for problem in self.problems],
        }


def import_path(
    store: MailStore, account_id: str, source: str, folder: str = "", *, dry_run: bool = False,
    progress: Progress = SILENT,
) -> ImportReport:
    """Import a file, or all files of a folder, into a mailbox.

    :param folder: path in the mailbox to import into, with slashes; empty for Inbox, Calendar, Contacts and so on.
    :param dry_run: only count.
    :raises InvalidInput: the source does not exist. :raises NotFound: there is no such account.
    """
    return _Import(store, account_id, folder, dry_run, progress).run(source)


class _Import:
    def __init__(self, store: MailStore, account_id: str, folder: str, dry_run: bool, progress: Progress) -> None:
        self._report = ImportReport()
        self._store = store
        self._account = account_id
        self._base = tuple(part for part in folder.split("/") if part)
        self._dry_run = dry_run
        self._progress = progress
        self._import_id = f"files:{'/'.join(self._base)}"
        self._known = dict(store.imported(account_id, self._import_id))
        self._kinds: dict[str, str] = {}
        self._folders: dict[tuple[str, str], str] = {}
        self._root = ""
        self._has_filter = False

    def run(self, source: str) -> ImportReport:
        items = list(self._store.folders(self._account))
        self._root = next(item.item_id for item in items if not item.folder)
        self._folders = {(item.folder, item.name): item.item_id for item in items if item.kind == kinds.FOLDER}
        self._kinds = {item.item_id: item.kind for item in self._store.changes(self._account).items}
        self._has_filter = kinds.FILTER_SET in self._kinds.values()
        self._progress.phase("import")
        batch: list[NewItem] = []
        size = 0
        for new in self._new_items(source):
            batch.append(new)
            size += len(new.blob or b"")
            if len(batch) >= _BATCH_ITEMS or size >= _BATCH_BYTES:
                self._write(batch)
                batch, size = [], 0
            if self._progress.stopping():
                break
        self._write(batch)
        return self._report

    def _new_items(self, source: str) -> Iterator[NewItem]:
        seen: Counter[str] = Counter()
        for found in read(source):
            if isinstance(found, Problem):
                self._report.problems.append(found)
                continue
            digest = hashlib.sha256(found.content).hexdigest()
            key = f"{_identity(found.source)}:{digest}"
            seen[key] += 1
            origin = f"{key}:{seen[key]}"
            if origin in self._known:
                self._report.existed[self._kinds.get(self._known[origin], found.kind)] += 1
                continue
            kind = self._kind(found)
            if self._dry_run:
                self._report.imported[kind] += 1
            else:
                yield NewItem(origin, self._state(found, kind), found.content)

    def _kind(self, found: Found) -> str:
        """A mailbox has one incoming script; the others become documents, where a person finds them."""
        if found.kind == kinds.FILTER_SET and self._has_filter:
            return kinds.DOCUMENT
        self._has_filter = self._has_filter or found.kind == kinds.FILTER_SET
        return found.kind

    def _state(self, found: Found, kind: str) -> ItemState:
        name, attrs = "", {}
        if kind == kinds.FILTER_SET:
            name = "incoming"
        elif kind == kinds.DOCUMENT:
            name, attrs = found.name, {"content_type": "application/sieve"}
        view = _VIEWS.get(kind, "")
        folder = self._folder((*self._base, *found.folder), view) if view else ""
        return ItemState("", kind, folder, name, found.flags, (), found.date, attrs=attrs)

    def _folder(self, names: tuple[str, ...], view: str) -> str:
        parent = self._root
        # A folder of mail and one of cards may have the same path in the files; a mailbox keeps one view in each.
        for name in names or (_HOMES[view],):
            found = self._folders.get((parent, name))
            if found is None:
                state = ItemState("", kinds.FOLDER, parent, name, attrs={"view": view})
                written = self._store.write_items(self._account, [NewItem(f"folder:{parent}/{name}", state)])[0]
                if written.error:
                    raise InvalidInput(f"The folder {name!r} could not be created: {written.error}")
                found = self._folders[(parent, name)] = written.item_id
            parent = found
        return parent

    def _write(self, batch: list[NewItem]) -> None:
        if not batch:
            return
        try:
            results = self._store.write_items(self._account, batch, self._import_id)
        except RestanteError as error:
            raise type(error)(f"The import stopped: {error} What was imported is there; run it again.") from error
        for new, written in zip(batch, results):
            if written.error:
                self._report.problems.append(Problem(new.origin, written.error))
            elif written.existed:
                self._report.existed[new.state.kind] += 1
            else:
                self._report.imported[new.state.kind] += 1
            self._progress.advance(1, len(new.blob or b""))


def _identity(source: str) -> str:
    """Return what stays of a file's place when a mail client reads or flags the message in it."""
    return _MAILDIR_NAME.sub(r"cur/\1", source)
