# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exporting a mailbox to files that any mail client reads: Maildir++, iCalendar, vCard and Sieve."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ..mailstore.port import MailStore
from ..model import kinds
from ..model.durable import make_directories, sync_directory
from ..model.errors import Refused, RestanteError
from ..model.state import ItemState
from ..operations.progress import SILENT, Progress
from .readers import Problem

_PLACES: Final = {
    kinds.CONTACT: ("contacts", ".vcf"),
    kinds.CONTACT_GROUP: ("contacts", ".vcf"),
    kinds.APPOINTMENT: ("calendars", ".ics"),
    kinds.TASK: ("calendars", ".ics"),
    kinds.DOCUMENT: ("documents", ""),
    kinds.FILTER_SET: ("filters", ".sieve"),
}
_UNFINISHED: Final = ".part"
_MAILDIR_FLAGS: Final = (("d", "D"), ("f", "F"), ("w", "P"), ("r", "R"), ("x", "T"))


class ExportReport:
    """What an export came to."""

    def __init__(self) -> None:
        self.exported: Counter[str] = Counter()
        """By kind."""
        self.existed: Counter[str] = Counter()
        """What was there with the same content, by kind."""
        self.problems: list[Problem] = []

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.exported)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "exported": dict(sorted(self.exported.items())),
            "existed": dict(sorted(self.existed.items())),
            "problems": [problem._asdict() for problem in self.problems],
        }


def export_account(
    store: MailStore, account_id: str, destination: str, *, dry_run: bool = False, progress: Progress = SILENT
) -> ExportReport:
    """Write a mailbox below a directory; again, only what is missing or different.

    No name of a folder or item leads out of the directory: characters with a meaning in paths are percent-encoded.

    :raises NotFound: there is no such account. :raises Refused: the directory cannot be written.
    """
    report = ExportReport()
    written: set[str] = set()
    folders = {folder.item_id: folder for folder in store.folders(account_id)}
    present = _Present()
    progress.phase("export")
    changes = store.changes(account_id)
    report.problems += [Problem("", reason) for reason in changes.unseen]
    for item in changes.items:
        if item.kind not in kinds.WITH_CONTENT:
            continue
        if progress.stopping():
            break
        path = os.path.join(destination, _path(item, folders))
        outdated = present.with_other_flags(path)
        if present.holds(path, item):
            report.existed[item.kind] += 1
            continue
        try:
            content = store.read_blob(account_id, item.item_id)
        except RestanteError as error:
            report.problems.append(Problem(item.item_id, str(error)))
            continue
        if not dry_run:
            _write(path, content, item, outdated)
            written.add(os.path.dirname(path))
        report.exported[item.kind] += 1
        progress.advance(1, len(content))
    for folder in sorted(written):
        with _writing(folder):
            sync_directory(folder)
    return report


def safe(name: str) -> str:
    """Return a name as one part of a path: letters of any script stay, what has a meaning in paths is encoded."""
    encoded = "".join(
        character if character.isalnum() or character in " _-@+" else _encoded(character) for character in name
    ) or "%"
    return _short(encoded, 120)


def _short(name: str, limit: int) -> str:
    """Return a name of no more bytes than a file system takes; what is cut ends in a digest of the whole."""
    whole = name.encode("utf-8")
    if len(whole) <= limit:
        return name
    return f"{whole[: limit - 17].decode('utf-8', 'ignore')}~{hashlib.sha256(whole).hexdigest()[:16]}"


def _encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def _path(item: ItemState, folders: dict[str, ItemState]) -> str:
    names: list[str] = []
    folder = folders.get(item.folder)
    while folder is not None and folder.folder and len(names) < len(folders):  # or they lie in each other
        names.insert(0, safe(folder.name))
        folder = folders.get(folder.folder)
    if item.kind == kinds.MESSAGE:
        below = [] if names in ([], ["Inbox"]) else ["." + _short(".".join(names), 240)]
        letters = "".join(theirs for ours, theirs in _MAILDIR_FLAGS if ours in item.flags)
        seen = "" if "u" in item.flags else "S"
        flags = "".join(sorted(letters + seen))
        return os.path.join("Maildir", *below, "cur", f"{item.date // 1000}.{item.item_id}.restante:2,{flags}")
    place, ending = _PLACES[item.kind]
    stem = f"{safe(item.name)}-{item.item_id}" if item.name else item.item_id
    return os.path.join(place, *names, stem + ending)


class _Present:
    """What earlier exports have written."""

    def __init__(self) -> None:
        self._messages: dict[str, dict[str, list[str]]] = {}

    def holds(self, path: str, item: ItemState) -> bool:
        """Return whether a file has the content of an item."""
        try:
            if os.path.getsize(path) != item.size:
                return False
            with open(path, "rb") as file:
                return hashlib.sha256(file.read()).hexdigest() == item.digest
        except OSError:
            return False

    def with_other_flags(self, path: str) -> list[str]:
        """Return where an earlier export wrote a message with other flags, which are part of its file's name.

        What a killed export has left half written of it is among them.
        """
        folder, name = os.path.split(path)
        stem, separator, _flags = name.partition(":2,")
        if not separator:
            return []
        if folder not in self._messages:
            names = self._messages[folder] = {}
            for other in os.listdir(folder) if os.path.isdir(folder) else ():
                names.setdefault(other.partition(":2,")[0], []).append(other)
        return [os.path.join(folder, other) for other in self._messages[folder].get(stem, ()) if other != name]


def _write(path: str, content: bytes, item: ItemState, outdated: list[str]) -> None:
    """Write a file, whole or not at all, and remove others; its directory is not synced yet."""
    with _writing(path):
        folder = os.path.dirname(path)
        make_directories(folder)
        if item.kind == kinds.MESSAGE:
            for part in ("new", "tmp"):
                make_directories(os.path.join(os.path.dirname(folder), part))
        temporary = f"{path}{_UNFINISHED}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OverflowError, OSError):  # a date that no file system can hold
            os.utime(temporary, (item.date // 1000, item.date // 1000))
        os.replace(temporary, path)
        for other in outdated:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(other)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Say in a sentence what could not be written."""
    try:
        yield
    except OSError as error:
        raise Refused(f"{path} cannot be written ({error.strerror}); check the directory and export again.") from error
