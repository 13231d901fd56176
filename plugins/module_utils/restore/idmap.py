# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of what: the records of a restore in the destination's Backup Path (R-136).

map_<source server id> has the import's id and, for each directory entry, its id in the backup and at the destination.
A restore of one account alone has a map of its own: accounts/<destination account id>/map_<source server id>.
accounts/<destination account id>/id_mapper.log has the same for the items of a mailbox. All are JSON lines, only ever
appended to; a line that a crash cut short is dropped.

Which items are there already, the mail server knows by the import's id; the item log is completed from its answer.
Without the map there is no import id, so a later run starts from scratch (R-137).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from ..backup.files import Files, full_or_refused, reading
from ..model import foreign, moment
from ..model.durable import make_directories
from ..model.errors import Busy, Damaged, NotFound
from ..model.state import NO_ATTRS, Entry

FORMAT: Final = 1
ITEM_LOG: Final = "id_mapper.log"
MAILBOX: Final = "mailbox"
"""The kind of the rows of mailboxes that are not the first one of their account."""
SEEN: Final = "seen"
"""The kind of the rows that say how much of the backup had been recorded when an account was restored from it."""

_BITMAP: Final = 1 << 27
_LOCK_SECONDS: Final = 10.0


class Row(NamedTuple):
    """What became of one directory entry."""

    kind: str
    name: str
    source_id: str
    destination_id: str


class ImportMap:
    """The map file of one source server, open for one restore. Holds a lock until it is closed."""

    def __init__(
        self, backup_path: str, server_id: str, account_id: str = "", about: Mapping[str, Any] = NO_ATTRS
    ) -> None:
        """Open the map of a source server; it is made, with a new import id, where there is none.

        :param backup_path: the destination's; it need hold no backup yet (R-127).
        :param account_id: the destination's id of the one account that is restored; empty for a whole server.
        :param about: what a map that is made says of the restore, as JSON values.
        :raises Busy: another restore from this server is running here.
        :raises Damaged: it is there, but is no map. :raises Refused: it cannot be written.
        """
        self._file = _AppendOnly(backup_path, map_name(server_id, account_id))
        try:
            self._file.lock()
            header, rows, end = _parse(self._file.path, self._file.read())
            self._file.cut(end)
            if header is None:
                created = moment.iso(moment.now())
                header = {**about, "format": FORMAT, "import": str(uuid.uuid4()), "created": created}
                self._file.append([_line(header)])
                self._file.sync()
        except BaseException:
            self._file.close()
            raise
        self.import_id: str = header["import"]
        self._ids = {row.source_id: row.destination_id for row in rows}

    def get(self, source_id: str) -> str | None:
        """Return what an entry of the backup is at the destination, None where it is not known."""
        return self._ids.get(source_id)

    def record(self, rows: Iterable[Row]) -> None:
        """Remember what became of entries, durably."""
        new = [row for row in rows if self._ids.get(row.source_id) != row.destination_id]
        if new:
            self._file.append([_line(row._asdict()) for row in new])
            self._file.sync()
            self._ids.update((row.source_id, row.destination_id) for row in new)

    def ids(self) -> Mapping[str, str]:
        """Return all that is known."""
        return self._ids

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._file.close()


def map_name(server_id: str, account_id: str = "") -> str:
    """Return the name of the map of a source server, or of one account of it, below the destination's Backup Path."""
    name = f"map_{_safe(server_id)}"
    return f"{account_directory(account_id)}/{name}" if account_id else name


def account_directory(account_id: str) -> str:
    """Return where the records of a destination account are, below the Backup Path."""
    return f"accounts/{_safe(account_id)}"


def import_id_of(backup_path: str, server_id: str, account_id: str = "") -> str | None:
    """Return the id of the import from a source server, None where there was none. As said_of."""
    header = said_of(backup_path, server_id, account_id)
    return None if header is None else str(header["import"])


def said_of(backup_path: str, server_id: str, account_id: str = "") -> dict[str, Any] | None:
    """Return what the map of a source server, or of one account, says of its restore; None where there was none.

    Reads only. :raises Damaged: the map is there, but is no map. :raises Refused: it cannot be read.
    """
    files = Files(backup_path)
    name = map_name(server_id, account_id)
    try:
        return _parse(files.path(name), files.read(name))[0]
    except NotFound:
        return None


def read_map(path: str) -> list[Row]:
    """Return what a map file says, for people (R-260). :raises NotFound, Damaged: see read_import."""
    return read_import(path)[1]


def read_import(path: str) -> tuple[str, list[Row]]:
    """Return the id of the import that a map file is of, and what it says.

    :raises NotFound: there is no such file. :raises Damaged: it is no map.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise NotFound(f"The map {path} cannot be read ({error.strerror}); name a file map_<server id>.") from error
    no_map = f"{path} is no map of an External Restore; name a file map_<server id> of a Backup Path."
    try:
        header, rows, _unused = _parse(path, data)
    except Damaged as error:  # says what to do with a map that is damaged; this may be any file
        raise Damaged(no_map) from error
    if header is None:
        raise Damaged(no_map)
    return header["import"], rows


def mailbox_row(account: Entry, began_after: int, destination_id: str) -> Row:
    """Return the row of a mailbox that is not the first one of its account.

    :param began_after: the number of the deletion of the account after which it was there again (backup/ended.py).
    """
    return Row(MAILBOX, account.name, f"{account.entry_id}@{began_after}", destination_id)


def seen_row(account: Entry, last: int) -> Row:
    """Return the row that says up to which transaction an account may have been restored."""
    return Row(SEEN, account.name, _seen_key(account.entry_id), str(last))


def seen(ids: Mapping[str, str], account_id: str) -> int:
    """Return up to which transaction an account may have been restored by an earlier run; 0 where none is known of."""
    said = ids.get(_seen_key(account_id), "")
    return int(said) if said.isascii() and said.isdecimal() else 0


def _seen_key(account_id: str) -> str:
    return f"{SEEN}:{account_id}"


def mailbox_import(import_id: str, ids: Mapping[str, str], account_id: str) -> str:
    """Return the id under which the items of an account of the backup are imported.

    It is that of the import, but where the items come into a mailbox into which those of another one were imported
    before: of an account that had the address before this one, or of this account before it was deleted at the source
    and made again. Both have items of the same ids, which are not the same items.

    :param ids: id in the backup to id at the destination, in the order in which they became known (ImportMap.ids).
    """
    mailbox = account_id
    for one in ids:
        if one.startswith(f"{account_id}@"):
            mailbox = one
    there = ids.get(mailbox)
    first = next((one for one, other in ids.items() if other == there), mailbox)
    return import_id if first == mailbox else f"{import_id}/{mailbox}"


class ItemLog:
    """The id_mapper.log of one destination account, open for one import."""

    def __init__(self, backup_path: str, account_id: str, import_id: str, source_account: str) -> None:
        """The file is made, and the import announced in it, with the first pair that is added."""
        self._where = (backup_path, f"{account_directory(account_id)}/{ITEM_LOG}")
        self._header = {"import": import_id, "account": source_account}
        self._file: _AppendOnly | None = None
        self._announced = False
        self._end = 0

    def origins(self) -> OriginSet:
        """Return the items that the log has of this import. To be read before anything is added.

        :raises Refused: it cannot be read.
        """
        found = OriginSet()
        for origin, _unused in self._pairs():
            found.add(origin)
        return found

    def _pairs(self) -> Iterator[tuple[str, str]]:
        path = os.path.join(*self._where)
        try:
            with reading(path):
                file = open(path, "rb")
        except NotFound:
            return
        with file:
            for line in file:
                if not line.endswith(b"\n"):  # cut short by a crash
                    break
                self._end += len(line)
                try:
                    record = foreign.parse(line)
                    if isinstance(record, dict):
                        self._announced = record["import"] == self._header["import"]
                    elif self._announced and foreign.fits(record, list[str]):
                        yield record[0], record[1]
                except (ValueError, LookupError):  # damaged: the mail server knows what was in it
                    continue

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Append pairs (item in the backup, item at the destination)."""
        lines = [_pair_line(origin, item_id) for origin, item_id in pairs]
        if not lines:
            return
        if self._file is None:
            self._file = _AppendOnly(*self._where)
            self._file.cut(self._end)
        if not self._announced:
            lines.insert(0, _line(self._header))
            self._announced = True
        self._file.append(lines)

    def close(self) -> None:
        """Make durable what was added."""
        if self._file is not None:
            self._file.sync()
            self._file.close()
            self._file = None


class OriginSet(Container[str]):
    """A set of item ids that takes a bit for each: ids are counted, and a mailbox may have millions of them."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[str] = set()

    def add(self, origin: str) -> None:
        """Put an id into the set."""
        number = _number(origin)
        if number < 0:
            self._others.add(origin)
            return
        byte = number >> 3
        if byte >= len(self._bits):
            self._bits.extend(bytes(max(byte + 1 - len(self._bits), len(self._bits), 64)))
        self._bits[byte] |= 1 << (number & 7)

    def __contains__(self, origin: object) -> bool:
        if not isinstance(origin, str):
            return False
        number = _number(origin)
        if number < 0:
            return origin in self._others
        byte = number >> 3
        return byte < len(self._bits) and bool(self._bits[byte] >> (number & 7) & 1)


def _number(origin: str) -> int:
    """Return the number that an id is the usual way of writing, -1 where it is none or a very large one."""
    if len(origin) < 10 and origin.isdigit() and origin.isascii() and (origin[0] != "0" or origin == "0"):
        number = int(origin)
        if number < _BITMAP:
            return number
    return -1


class _AppendOnly:
    """A file of JSON lines below a Backup Path, open for appending."""

    def __init__(self, backup_path: str, name: str) -> None:
        self._files = Files(backup_path)
        self.path = self._files.path(name)
        try:
            make_directories(backup_path)
            self._descriptor = self._files.create(name)
            self._files.sync_directory(os.path.dirname(name))
        except OSError as error:
            raise full_or_refused(self.path, error) from error

    def lock(self) -> None:
        """Keep others away. The workers of a killed restore may live a moment longer than it: they are waited for."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"Another restore holds {self.path}; wait until it has ended, and run this again."
                    ) from error
            time.sleep(0.05)

    def read(self) -> bytes:
        """Return the whole file."""
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def cut(self, size: int) -> None:
        """Drop what is behind the last whole line."""
        self._files.truncate(self._descriptor, size)

    def append(self, lines: Sequence[str]) -> None:
        """Add lines. :raises Refused: they cannot be written."""
        try:
            self._files.append(self._descriptor, ("\n".join(lines) + "\n").encode("ascii"))
        except OSError as error:
            raise full_or_refused(self.path, error) from error

    def sync(self) -> None:
        """Make durable what was added. :raises Refused: the disk does not take it."""
        try:
            self._files.sync(self._descriptor)
        except OSError as error:
            raise full_or_refused(self.path, error) from error

    def close(self) -> None:
        """Close the file, and give up the lock."""
        os.close(self._descriptor)


_line = json.JSONEncoder(separators=(",", ":")).encode


def _pair_line(origin: str, item_id: str) -> str:
    # Nearly all ids are numbers, and a JSON encoder takes longer to start than to write two of them.
    plain = origin + item_id
    return f'["{origin}","{item_id}"]' if plain.isalnum() and plain.isascii() else _line([origin, item_id])


def _safe(name: str) -> str:
    """Return an id as one component of a path: whatever it is, it does not climb out."""
    return quote(name, safe="") if name.strip(".") else "%2E" * len(name)


def _parse(path: str, data: bytes) -> tuple[dict[str, Any] | None, list[Row], int]:
    """Return the header (None for a map that was never finished), the rows, and the length of what is whole."""
    end = data.rfind(b"\n") + 1
    try:
        records = [foreign.parse(line) for line in data[:end].splitlines()]
        header = records[0] if records else None
        if header is not None and (header["format"] != FORMAT or not foreign.is_text(header["import"])):
            raise ValueError("another format")
        rows = [foreign.record(Row, record) for record in records[1:]]
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(
            f"The map {path} cannot be read ({error}). Put a copy of it back, or remove it: then the restore starts "
            "from scratch, and what is there already is restored a second time."
        ) from error
    return header, rows, end
