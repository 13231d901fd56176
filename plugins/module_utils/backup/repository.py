# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup repository: one Backup Path or restore directory, read through its catalogue (docs/format.md)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from ..model import kinds, moment
from ..model.durable import make_directories
from ..model.errors import AlreadyExists, Busy, Damaged, InvalidInput, NotABackup, NotFound
from ..model.state import ACCOUNT_ITEM, SERVER, Entry, Transaction
from . import commits, frames, keyring, keys, packs
from .catalogue import Catalogue, Damage, Location
from .commits import Commit, FormatInfo, PackInfo
from .files import Files, writing
from .intake import Intake
from .keys import Ring
from .states import States
from .writer import Writer

MIB: Final = 1024 * 1024
PACK_SIZE: Final = 24 * MIB
CATALOGUE_FILE: Final = "catalog.sqlite"
_POLL_SECONDS: Final = 0.05


class Repository:
    """A backup, opened for reading: what it held at the newest commit when it was opened or refreshed.

    Used by one thread; another thread or process opens its own, also while a writer is at work.
    """

    def __init__(
        self, files: Files, info: FormatInfo, pack_size: int = PACK_SIZE, masters: Sequence[bytes] = ()
    ) -> None:
        """Errors as for open()."""
        self.files = files
        self.info = info
        self.path = files.root
        self.repository_id = info.repository
        self.server_id = info.server
        self.pack_size = pack_size
        self._keyring = keyring.opened(files, info, masters)
        self.keys = self._keyring.opened() if self._keyring is not None else None
        """What its frames are closed and opened with; None where it is not encrypted."""
        # What may be read but not written to gets a catalogue that lives as long as this object.
        self.catalogue = Catalogue(
            files.path(CATALOGUE_FILE) if files.writable(CATALOGUE_FILE) else "",
            self.keys.name if self.keys is not None else bytes,
        )
        self._intake = Intake(files, self.catalogue, info, self.keys)
        self._states = States(self.catalogue)
        self._head: Commit | None = None
        try:
            self._intake.begin()
            self.refresh()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def create(path: str, server_id: str, pack_size: int = PACK_SIZE, masters: Sequence[bytes] = ()) -> Repository:
        """Make an empty backup in a directory, which is made where there is none.

        :param server_id: UUID of the mail server it is of. :param pack_size: bytes at which a pack is closed.
        :param masters: of one that is encrypted, the master key, and others that may be; empty for one that is not.
        :raises AlreadyExists: the directory holds a backup. :raises Refused: it cannot be written to.
        """
        with writing(path):
            make_directories(path)
        files = Files(path)
        info = FormatInfo(str(uuid.uuid4()), server_id, moment.now(), encrypted=bool(masters))
        try:
            files.write_new(commits.FORMAT_FILE, commits.encode_format(info))
        except AlreadyExists as error:
            raise AlreadyExists(f"{path} holds a backup already; open it, or choose another directory.") from error
        return Repository(files, info, pack_size, masters)

    @staticmethod
    def open(path: str, pack_size: int = PACK_SIZE, masters: Sequence[bytes] = ()) -> Repository:
        """Open a backup for reading; its catalogue is brought up to date.

        :param masters: master keys of which one opens it, if it is encrypted; empty where there are none.
        :raises NotABackup: there is none, or one of a newer format.
        :raises Refused: it cannot be read; or the key is missing, another one, or named for one without encryption.
        :raises Damaged: its keyring is lost, or its format.json.
        """
        files = Files(path)
        try:
            data = files.read(commits.FORMAT_FILE)
        except NotFound as error:
            if any(next(files.scan(directory), None) for directory in (commits.DIRECTORY, keys.DIRECTORY)):
                raise Damaged(
                    f"The {commits.FORMAT_FILE} of the backup in {path} is missing, and nothing is done with it before "
                    "it is back. A coherency check with fix puts it back."
                ) from error
            raise NotABackup(
                f"{path} holds no backup: there is no {commits.FORMAT_FILE} in it. Name a Backup Path, a copy of one, "
                "or a directory that the metadata was retrieved into."
            ) from error
        return Repository(files, commits.parse_format(data, path), pack_size, masters)

    def close(self) -> None:
        """Close the catalogue."""
        self.catalogue.close()

    def writer(self, patience: float = 0.0) -> Writer:
        """Return the writer.

        :param patience: seconds to wait for another one; the Realtime Scanner's is soon done.
        :raises Busy: another one is at work on this Backup Path.
        """
        until = time.monotonic() + patience
        while True:
            try:
                return Writer(self)
            except Busy:
                if time.monotonic() >= until:
                    raise
            time.sleep(_POLL_SECONDS)

    # -- keys ------------------------------------------------------------------------------------------------------

    def keep_keys(self, ring: Ring | None) -> None:
        """Write a keyring that takes the place of the one before it; for a writer. None: there is nothing to write.

        :raises Busy: another host has written one. :raises Refused: the disk does not take it.
        """
        if ring is not None and self._keyring is not None and self.keys is not None:
            self._keyring.keep(ring)
            self.keys.keep(ring)

    def wrap_keys(self, master: bytes) -> None:
        """Put the keyring under another master key; for a writer. Errors as for keep_keys().

        :raises InvalidInput: the backup is not encrypted.
        """
        if self._keyring is None or self.keys is None:
            raise InvalidInput(f"The backup in {self.path} is not encrypted; it has no master key.")
        self._keyring.wrap(master)
        self.keep_keys(self.keys.ring.again())

    def remake_catalogue(self) -> None:
        """Make the catalogue anew in another file: nothing that is no part of the backup any more is left in it."""
        self.catalogue.discard()
        self.rebuild()

    def reload_keys(self) -> None:
        """Take the newest keyring, where there is a newer one, and remove what a kill has left of those before it; for
        a writer. Errors as for open().

        :raises Damaged: also where there was a newer one before.
        """
        if self._keyring is None or self.keys is None:
            return
        if self._keyring.newest() != self.keys.ring.number:
            ring = self._keyring.load()
            if ring.number < self.keys.ring.number:  # other keys under the same numbers would follow
                raise Damaged(
                    f"The newest keyring in {self.path} is number {ring.number}, and there was number "
                    f"{self.keys.ring.number}: somebody has put an older one back. Put the newest one there, from the "
                    "archive or from a copy, then run this again."
                )
            self.keys.keep(ring)
        keyring.remove_before(self.files, self.keys.ring.number)

    def name_of(self, digest: bytes) -> bytes:
        """Return what a content is called in packs. :param digest: its SHA-256."""
        return self.catalogue.name(digest)

    # -- commits ---------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take in the commits made since this was opened or refreshed, into the catalogue's file that there is by now.

        What is still being read must have been read: see Database.reopen().
        """
        self.catalogue.reopen()
        self.catch_up()

    def catch_up(self) -> None:
        """Take in the commits made since then into the catalogue's file that is open; for a writer, whose questions to
        the catalogue are not at their end.
        """
        self._intake.catch_up()
        seq = int(self.catalogue.meta("head", "0"))
        if seq and (self._head is None or self._head.seq != seq):
            self._head = self._intake.read(seq)
            self._states.last = self._head.last

    def rebuild(self) -> None:
        """Make the catalogue anew from commits and packs; others see the old one until the new one is complete."""
        if not self.catalogue.is_whole():
            self.catalogue.discard()
        self._intake.rebuild()
        self._head = None
        self.refresh()

    def head(self) -> Commit | None:
        """Return the newest commit that can be read; None for an empty backup."""
        return self._head

    def newest(self) -> int:
        """Return the number of the newest commit, be it readable or not; 0 for none."""
        return int(self.catalogue.meta("newest", "0"))

    def commit(self, seq: int) -> Commit:
        """Return a commit by its number. :raises NotFound, Damaged: there is none that can be read."""
        return self._intake.read(seq)

    def packs(self) -> Iterator[PackInfo]:
        """Yield all packs."""
        return self.catalogue.packs()

    def damages(self) -> list[Damage]:
        """Return what of commits and metadata could not be read. What is whole is served all the same."""
        return [damage for damage, _version in self.catalogue.damages()]

    # -- journals --------------------------------------------------------------------------------------------------

    def token(self, scope: str) -> str:
        """Return the mail server's change token up to which a journal is complete; empty for none."""
        return self.catalogue.token(scope)

    def tokens(self) -> dict[str, str]:
        """Return all change tokens by journal."""
        return self.catalogue.tokens()

    def scopes(self) -> list[str]:
        """Return the ids of all accounts that the backup knows, deleted ones too."""
        return [scope for scope in self.catalogue.scopes() if scope != SERVER]

    def first(self, scope: str) -> int:
        """Return the number of the first transaction that is known of a journal; 0 for none."""
        return self.catalogue.first(scope)

    def span(self) -> tuple[int, int] | None:
        """Return the first and last recorded moment; None for an empty backup."""
        return self._states.span()

    def recorded_back(self) -> Iterator[int]:
        """Yield moments at which things were recorded, UTC milliseconds, by number from the newest back."""
        return self._states.recorded_back()

    def counts(self) -> Mapping[str, int]:
        """Return counts: present items and entries by kind, transactions, blobs, blob_bytes, packs, pack_bytes."""
        return {**self._states.counts(), **self.catalogue.counts()}

    # -- states ----------------------------------------------------------------------------------------------------

    def entry(self, scope: str, item_id: str, at: int | None = None) -> Entry | None:
        """Return a directory entry as it was; None where it did not exist."""
        found = self._states.of_item(scope, item_id, at)
        return found.state if found is not None and isinstance(found.state, Entry) else None

    def entries(self, kind: str, at: int | None = None, deleted: bool = False) -> Iterator[Transaction]:
        """Yield the entries of a kind; with deleted also those that were gone by then, with their last state."""
        if kind != kinds.ACCOUNT:
            yield from self._states.of_all(SERVER, at, (kind,), newest_first=False, deleted=deleted)
            return
        for scope in self.scopes():
            found = self._states.of_item(scope, ACCOUNT_ITEM, at, deleted)
            if found is not None and found.state is not None:
                yield found

    def state(self, scope: str, item_id: str, at: int | None = None) -> Transaction | None:
        """Return the transaction of an item that holds at a moment (maybe its deletion); None if it was unknown."""
        return self._states.of_item(scope, item_id, at)

    def history(self, scope: str, item_id: str) -> Iterator[Transaction]:
        """Yield all transactions of an item, oldest first."""
        return self._states.history(scope, item_id)

    def states(
        self,
        scope: str,
        at: int | None = None,
        kinds: Collection[str] | None = None,
        newest_first: bool = False,
        deleted: bool = False,
        text: str = "",
    ) -> Iterator[Transaction]:
        """Yield the items of an account as they were, streaming; not the account itself.

        :param at: UTC milliseconds; None for the latest. :param kinds: only these.
        :param newest_first: by date, newest first; otherwise in no particular order.
        :param deleted: also items that were gone by then: their last state, with seq and at of the deletion.
        :param text: only those with it in their name or attributes, and maybe some more.
        """
        return self._states.of_all(scope, at, kinds, newest_first, deleted, text)

    def changed(
        self, scope: str, since: int, kinds: Collection[str], newest_first: bool = False
    ) -> Iterator[Transaction]:
        """Yield the last transaction, maybe a deletion, of each item of some kinds that has one after a number.

        :param scope: an account, or SERVER; not the account itself. :param since: the number of a transaction.
        """
        return self._states.changed(scope, since, kinds, newest_first)

    def heads(self) -> dict[str, int]:
        """Return the number of the newest transaction of every journal, SERVER's too."""
        return {scope: head.last for scope, head in self.catalogue.heads().items()}

    def deleted_between(self, scope: str, start: int, end: int) -> Iterator[Transaction]:
        """Yield the deletions in a journal in an interval, UTC milliseconds, both ends included, oldest first."""
        return self._states.deletions(scope, start, end)

    # -- blobs -----------------------------------------------------------------------------------------------------

    def has_blob(self, digest: str) -> bool:
        """Return whether a committed pack holds a blob."""
        return self.catalogue.has_blob(digest)

    def locate(self, digests: Iterable[str]) -> dict[str, Location]:
        """Return where blobs lie; those that no commit reaches are absent."""
        return self.catalogue.locate(digests)

    def read_blob(self, digest: str) -> bytes:
        """Return a blob from the packs in this directory, verified.

        :raises NotFound: no commit reaches it, or its pack is not here. :raises Damaged: it is altered.
        """
        location = self.catalogue.locate((digest,)).get(digest)
        if location is None:
            raise NotFound(f"The backup in {self.path} holds no blob {digest}.")
        name = packs.file_name(location.pack)
        frame = self.files.read_range(name, location.offset, location.length)
        try:
            return frames.decode(frame, bytes.fromhex(digest), self.keys)
        except Damaged as error:
            raise Damaged(f"{self.files.path(name)} at {location.offset}: {error}") from error
