# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a mail server without one: a file with the address of an account on each line.

Blank lines and lines that begin with # say nothing. The domains are those of the addresses. Ids are derived from the
names, so that they are the same in every run and on every node.
"""

from __future__ import annotations

import codecs
import os
import re
import uuid
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...model import kinds
from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused
from ...model.state import Entry
from .directory import Directory
from .settings import ImapSettings

_IDS: Final = uuid.UUID("0a1b7e52-6c1f-5f0e-9f0c-3a8a5d1f7c46")
"""The namespace of the ids (RFC 4122, version 5). Another one would make every account another one."""
_ADDRESS: Final = re.compile(r"[^\0-\x1f\x7f]+@[^\0-\x20\x7f@]+")
_TWO: Final = re.compile(r"@\S*\s")
"""White space after an @: more than one address, or something beside it."""


class _Known(NamedTuple):
    """The entries, by kind and by name without its case, and by kind and id."""

    by_name: dict[tuple[str, str], Entry]
    by_id: dict[tuple[str, str], Entry]


class ListedDirectory(Directory):
    """The accounts of a file, which is read again when it has changed. Nothing can be written to it."""

    def __init__(self, settings: ImapSettings) -> None:
        """Take the file from settings.accounts_file; it is read when it is first needed."""
        self._path = settings.accounts_file
        self._seen: tuple[int, ...] = ()
        self._known = _Known({}, {})

    @property
    def entry_kinds(self) -> frozenset[str]:
        return frozenset()

    @property
    def keeps_entry_ids(self) -> bool:
        return False

    def entries(self, kind: str) -> Iterator[Entry]:
        found = self._read().by_name
        return (found[key] for key in sorted(found) if key[0] == kind)

    def find(self, kind: str, name_or_id: str) -> Entry | None:
        known = self._read()
        return known.by_name.get((kind, name_or_id.casefold())) or known.by_id.get((kind, name_or_id))

    def create(self, entry: Entry) -> Entry:
        if self.find(entry.kind, entry.name) is not None:
            raise AlreadyExists(f"{entry.name} is in {self._path} already.")
        if entry.kind == kinds.ACCOUNT:
            raise Refused(
                f"{entry.name} is not in {self._path}: create the account on the mail server, and add its address to "
                "this file."
            )
        if entry.kind == kinds.DOMAIN:
            raise Refused(
                f"No account of the domain {entry.name} is in {self._path}: create one on the mail server, and add its "
                "address to this file."
            )
        raise Refused(f"{entry.name} cannot be created: a list of accounts holds no {entry.kind}.")

    def update(self, entry: Entry) -> bool:
        present = self._of_id(entry.kind, entry.entry_id)
        held = [name for name, values in sorted(entry.attrs.items()) if values]
        held += [
            name for name, values in (
                ("aliases", entry.aliases), ("members", entry.members), ("signatures", entry.signatures)
            ) if values
        ]
        if held:
            raise Refused(
                f"A list of accounts cannot hold {', '.join(held)} of {present.name}; set that on the mail server."
            )
        return False

    def delete(self, kind: str, entry_id: str) -> None:
        present = self._of_id(kind, entry_id)
        raise Refused(
            f"{present.name} was not deleted: delete it on the mail server, and take it out of {self._path}."
        )

    def close(self) -> None:
        """Nothing is open."""

    def _of_id(self, kind: str, entry_id: str) -> Entry:
        entry = self._read().by_id.get((kind, entry_id))
        if entry is None:
            raise NotFound(f"There is no {kind} with the id {entry_id!r} in {self._path}.")
        return entry

    def _read(self) -> _Known:
        """Return what is in the file now."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                seen = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                if seen != self._seen:
                    self._known = self._parsed(file.read())
                    self._seen = seen
        except OSError as error:
            raise InvalidInput(
                f"The accounts file {self._path} cannot be read ({error.strerror}). Check accounts_file."
            ) from error
        return self._known

    def _parsed(self, content: bytes) -> _Known:
        known = _Known({}, {})
        for number, raw in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
            try:
                line = raw.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                raise InvalidInput(f"{self._path}, line {number}: it is not UTF-8; save the file as UTF-8.") from error
            if not line or line.startswith("#"):
                continue
            if not _ADDRESS.fullmatch(line) or _TWO.search(line):
                raise InvalidInput(
                    f"{self._path}, line {number}: {line!r} is no address; give one on each line, such as "
                    "anna@example.com, and begin comments with #."
                )
            for kind, name in ((kinds.ACCOUNT, line), (kinds.DOMAIN, line.rpartition("@")[2])):
                entry = known.by_name.setdefault(
                    (kind, name.casefold()), Entry(str(uuid.uuid5(_IDS, name.lower())), kind, name)
                )
                known.by_id[kind, entry.entry_id] = entry
        return known
