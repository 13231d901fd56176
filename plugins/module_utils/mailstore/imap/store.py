# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter of mail servers that speak IMAP: the port's methods, each on a connection of the account it is about."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from ...model import kinds
from ...model.errors import InvalidInput, Refused, RestanteError, Unavailable
from ...model.state import Entry, ItemState
from ..following import Follower
from ..index.items import number_of
from ..port import Capabilities, Changes, MailStore, NewItem, Written
from . import held, storable
from .account_names import AccountNames
from .annotations import Annotations
from .collection_writing import KINDS, VIEWS, CollectionWriter
from .collections import Collections
from .connecting import Connecting
from .contents import Contents, portions
from .dav import DavAccount
from .directory import Directory
from .filters import Filters
from .ldap_directory import LdapDirectory
from .listed_directory import ListedDirectory
from .mirror import Mirror
from .renaming import Renamings
from .rights import Rights
from .session import Session
from .settings import LDAP, ImapSettings, login_name
from .sieve import Scripts
from .sync import Synchroniser
from .watching import Pace, Watching
from .writing import MailboxWriter

_Answer = TypeVar("_Answer")
_NAMESPACE: Final = uuid.UUID("6a1b8a0e-5f0f-4d0e-9a6c-3a7d2a9f6f11")
_BYTES_AHEAD: Final = 8 * 1024 * 1024


class Opened(NamedTuple):
    """The connections of one account, and what works on them."""

    session: Session
    scripts: Scripts | None
    synchroniser: Synchroniser
    writer: MailboxWriter
    rights: Rights
    filters: Filters | None
    collections: Collections | None
    contents: Contents

    def close(self) -> None:
        """End the connections."""
        self.session.close()
        if self.collections is not None:
            self.collections.close()
        if self.scripts is not None:
            self.scripts.close()


class ImapStore(MailStore):
    """A mail server that speaks IMAP, with a directory of its accounts and a mirror on this node.

    Several processes may work with one mirror. Each opens it for itself: it does not survive a fork.
    """

    def __init__(self, path: str, settings: ImapSettings) -> None:
        """:param path: of the mirror, which is made where there is none. :raises InvalidInput: the settings."""
        self._settings = settings
        self._directory: Directory = (
            LdapDirectory(settings) if settings.directory == LDAP else ListedDirectory(settings)
        )
        self._mirror = Mirror(path)
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._names = AccountNames(self._directory, settings)
        self._renamings = Renamings(self._mirror, self._directory, settings, self._asked_anew)
        self._coming = Connecting(settings)
        self._seen: set[str] = set()
        """Accounts that were synchronised since this was opened."""
        self._listed: set[str] = set()
        """Accounts of which every message was looked at a moment ago, since nothing was known of them before."""
        self.pace = Pace()
        """Of those who follow from then on."""
        self._followers: list[Watching] = []

    def server_id(self) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self._settings.host.lower()}:{self._settings.port}"))

    def capabilities(self) -> Capabilities:
        items = {kinds.FOLDER, kinds.TAG, kinds.MESSAGE}
        if self._settings.sieve_port:
            items.add(kinds.FILTER_SET)
        if self._settings.carddav_url:
            items |= storable.CARDS
        if self._settings.caldav_url:
            items |= storable.OBJECTS
        return Capabilities(
            frozenset(items), self._directory.entry_kinds, self._directory.keeps_entry_ids, volumes=False
        )

    def close(self) -> None:
        for follower in self._followers:
            follower.close()
        self._followers.clear()
        self._coming.close()
        for opened in self._opened.values():
            opened.close()
        self._opened.clear()
        self._mirror.close()
        self._directory.close()

    # -- the directory ---------------------------------------------------------------------------------------------

    def entries(self, kind: str) -> Iterator[Entry]:
        return self._settled(kind).entries(kind)

    def find_entry(self, kind: str, name_or_id: str) -> Entry | None:
        return self._settled(kind).find(kind, name_or_id)

    def create_entry(self, entry: Entry) -> Entry:
        self._renew_followers()
        return self._settled(entry.kind).create(entry)

    def update_entry(self, entry: Entry) -> bool:
        self._renew_followers()
        return self._settled(entry.kind).update(entry)

    def reshape_entry(self, entry: Entry) -> bool:
        self._renew_followers()
        present = self._settled(entry.kind).find(entry.kind, entry.entry_id)
        if entry.kind != kinds.ACCOUNT or present is None or present.name.casefold() == entry.name.casefold():
            return self._directory.reshape(entry)
        self._renamings.rename(present, entry)
        return True

    def _settled(self, kind: str) -> Directory:
        """Return the directory, in which no account is half renamed."""
        if kind == kinds.ACCOUNT:
            self._renamings.settle_all()
        return self._directory

    def _asked_anew(self, account_id: str, ask: Callable[[Opened], _Answer]) -> _Answer:
        """Ask something of an account whose name may be another one since."""
        self._renew_followers()
        self._drop(account_id)
        self._names.forget(account_id)
        return self._connected(account_id, ask, alone=False)

    def delete_entry(self, kind: str, entry_id: str) -> None:
        if kind == kinds.ACCOUNT and self._directory.find(kind, entry_id) is not None:
            self._empty(entry_id)
        self._directory.delete(kind, entry_id)
        self._renew_followers()
        if kind == kinds.ACCOUNT:
            self._drop(entry_id)
            self._names.forget(entry_id)
            self._renamings.forget(entry_id)
            self._mirror.forget(entry_id)

    def _renew_followers(self) -> None:
        """The directory is about to be written to, or was."""
        for follower in self._followers:
            follower.renew()

    def _empty(self, account_id: str) -> None:
        """Remove all that is in a mailbox, as far as a mail server lets that be done."""
        top = [folder.item_id for folder in self.folders(account_id) if not folder.folder]
        present = list(self._mirror.reader.changes(account_id, "").items)
        folders = {item.item_id for item in present if item.kind == kinds.FOLDER and number_of(item.item_id) >= 256}
        doomed = [item.item_id for item in present if item.kind not in (kinds.FOLDER,)] + sorted(folders)
        with contextlib.suppress(Refused):
            self.delete_items(account_id, [item for item in doomed if item not in top])

    # -- reading ---------------------------------------------------------------------------------------------------

    def tokens(self) -> Iterator[tuple[str, str]]:
        accounts = list(self.entries(kinds.ACCOUNT))
        try:
            for position, entry in enumerate(accounts):
                self._expect(accounts[position + 1:position + self._settings.connections])
                yield entry.entry_id, self._token(entry.entry_id)
        finally:
            self._coming.close()
        present = {entry.entry_id for entry in self._directory.entries(kinds.ACCOUNT)}
        for account in self._mirror.accounts():
            if account not in present:
                self._mirror.forget(account)

    def _expect(self, accounts: Sequence[Entry]) -> None:
        """Log in ahead as accounts that are about to be looked at."""
        new = [account for account in accounts if account.entry_id not in self._opened]
        self._names.remember(new)
        self._coming.expect([account.name for account in new])

    def _token(self, account_id: str) -> str:
        """Return an account's token; one that equals none where the account cannot be opened now."""
        try:
            if self._synchronise(account_id):
                self._listed.add(account_id)
            if self._closed(account_id):
                return f"unknown:{uuid.uuid4()}:closed"
            return self._mirror.reader.token(account_id)
        except (InvalidInput, Refused, Unavailable) as error:
            return f"unknown:{uuid.uuid4()}:{type(error).__name__}"

    def follow(self) -> Follower:
        follower = Watching(self._directory, self._mirror, self._look, self._settings, self.pace)
        self._followers.append(follower)
        return follower

    def _look(self, account_id: str, thoroughly: bool) -> None:
        """Bring the mirror up to an account. :param thoroughly: and not only to its mail."""
        if thoroughly or account_id not in self._seen:
            self._synchronise(account_id)
        else:
            self._with(account_id, lambda opened: opened.synchroniser.run(), alone=True)
        if thoroughly and self._closed(account_id):  # to be told of, though nothing has changed
            raise Refused(self._closed(account_id)[0])

    def changes(self, account_id: str, since: str = "") -> Changes:
        self._synchronise(account_id, thorough=not since and account_id not in self._listed)
        self._listed.discard(account_id)
        return self._mirror.reader.changes(account_id, since)._replace(unseen=self._closed(account_id))

    def _closed(self, account_id: str) -> Sequence[str]:
        """Return what the servers have said of those parts of an account that they did not give."""
        opened = self._opened.get(account_id)
        if opened is None:
            return ()
        return (*opened.synchroniser.closed, *(opened.collections.closed if opened.collections is not None else ()))

    def item(self, account_id: str, item_id: str) -> ItemState | None:
        self._known(account_id)
        return self._mirror.reader.item(account_id, item_id)

    def folders(self, account_id: str) -> list[ItemState]:
        self._synchronise(account_id, filters=account_id not in self._seen)
        return self._mirror.reader.folders(account_id)

    def read_blob(self, account_id: str, item_id: str) -> bytes:
        content, = self.read_blobs(account_id, [item_id])
        if isinstance(content, Exception):
            raise content
        return content

    def read_blobs(self, account_id: str, item_ids: Sequence[str]) -> Iterator[bytes | Exception]:
        number = self._known(account_id)
        for portion in portions(self._mirror, number, item_ids):
            yield from self._with(account_id, functools.partial(_contents, portion))

    # -- writing ---------------------------------------------------------------------------------------------------

    def write_items(self, account_id: str, batch: Sequence[NewItem], import_id: str = "") -> list[Written]:
        if import_id:
            return self._alone(account_id, lambda opened: opened.writer.write(batch, import_id))
        # An import of its own, so that what a lost connection has left undone is done again, and nothing else.
        once = f"once:{uuid.uuid4()}"
        numbered = [new._replace(origin=str(number)) for number, new in enumerate(batch)]
        written = self._alone(account_id, lambda opened: opened.writer.write(numbered, once))
        self._mirror.forget_import(self._mirror.number(account_id), once)
        return [done._replace(origin=new.origin, existed=False) for done, new in zip(written, batch)]

    def imported(self, account_id: str, import_id: str) -> Iterator[tuple[str, str]]:
        self._alone(account_id, lambda opened: opened.writer.recover())
        return self._mirror.reader.imported(account_id, import_id)

    def map_imported(self, account_id: str, import_id: str, pairs: Sequence[tuple[str, str]]) -> None:
        number = self._known(account_id)
        with self._mirror.database.transaction():
            self._mirror.writer.map_imported(number, import_id, pairs)

    def update_item(self, account_id: str, state: ItemState, blob: bytes | None = None) -> None:
        self._alone(account_id, lambda opened: opened.writer.update(state, blob))

    def delete_items(self, account_id: str, item_ids: Sequence[str]) -> None:
        self._alone(account_id, lambda opened: opened.writer.remove(item_ids))

    # -- what can be held ------------------------------------------------------------------------------------------

    def held(self, account_id: str, state: ItemState) -> ItemState:
        if state.kind in KINDS:
            return held.resource(state)
        if state.kind == kinds.FOLDER and state.attrs.get("view") in VIEWS:
            return held.collection(state)
        if state.kind == kinds.FOLDER:  # whom it is shared with, the server alone can say
            self._known(account_id)
            return self._with(account_id, lambda opened: opened.writer.held(state))
        return held.message(state) if state.kind == kinds.MESSAGE else held.other(state)

    def held_blob(self, kind: str, blob: bytes) -> bytes:
        return held.blob(blob) if kind == kinds.MESSAGE else storable.content(kind, blob)

    def rewrites(self, kind: str) -> bool:
        return kind in KINDS

    # -- connections -----------------------------------------------------------------------------------------------

    def _known(self, account_id: str) -> int:
        """Return the number of an account's mailbox, which has been synchronised at least once."""
        if account_id not in self._seen:
            self._synchronise(account_id)
        return self._mirror.number(account_id)

    def _synchronise(self, account_id: str, thorough: bool = False, filters: bool = True) -> bool:
        """Bring the mirror up to an account; return whether nothing was known of it before."""
        def run(opened: Opened) -> bool:
            new = not self._mirror.folders(self._mirror.number(account_id))
            opened.synchroniser.run(thorough)
            if filters and opened.filters is not None:
                opened.filters.synchronise()
            if opened.collections is not None:
                opened.collections.look(thorough)
            return new

        new = self._with(account_id, run, alone=True)
        self._seen.add(account_id)
        return new

    def _alone(self, account_id: str, work: Callable[[Opened], _Answer]) -> _Answer:
        self._listed.discard(account_id)
        self._known(account_id)
        return self._with(account_id, work, alone=True)

    def _with(self, account_id: str, work: Callable[[Opened], _Answer], alone: bool = False) -> _Answer:
        """Do something on the connections of an account, which is not half renamed."""
        self._renamings.settle(account_id)
        return self._connected(account_id, work, alone)

    def _connected(self, account_id: str, work: Callable[[Opened], _Answer], alone: bool) -> _Answer:
        """Do something on the connections of an account; once more on new ones where these were ended meanwhile."""
        try:
            return self._tried(account_id, work, alone)
        finally:
            opened = self._opened.get(account_id)
            if opened is not None and opened.scripts is not None:
                opened.scripts.rest()

    def _tried(self, account_id: str, work: Callable[[Opened], _Answer], alone: bool) -> _Answer:
        fresh = account_id not in self._opened
        while True:
            try:
                with self._mirror.alone(account_id) if alone else contextlib.nullcontext():
                    return work(self._open(account_id))
            except Unavailable:
                self._drop(account_id)
                if fresh:
                    raise
                fresh = True
            except RestanteError:
                raise
            except BaseException:  # cut off in the middle of an answer
                self._drop(account_id)
                raise

    def _open(self, account_id: str) -> Opened:
        opened = self._opened.get(account_id)
        if opened is None:
            while len(self._opened) + len(self._coming) >= self._settings.connections and self._opened:
                self._opened.popitem(last=False)[1].close()
            opened = self._opened[account_id] = self._connect(account_id)
        self._opened.move_to_end(account_id)
        return opened

    def _connect(self, account_id: str) -> Opened:
        address = self._names.address(account_id)
        logged_in = self._coming.take(address)
        session, scripts = logged_in
        try:
            number = self._mirror.number(account_id)
            rights = Rights(session, login_name(self._settings, address), self._names)
            annotations = Annotations(session)
            synchroniser = Synchroniser(self._mirror, session, number, rights, annotations)
            filters = None if scripts is None else Filters(self._mirror, scripts, number)
            collections, resources = None, None
            if self._settings.carddav_url or self._settings.caldav_url:
                collections = Collections(self._mirror, DavAccount(self._settings, address), number)
                resources = CollectionWriter(self._mirror, collections, number)
            writer = MailboxWriter(
                self._mirror, session, number, synchroniser, rights, annotations, filters, resources
            )
            contents = Contents(self._mirror, account_id, session, synchroniser, filters, collections)
        except BaseException:
            logged_in.close()
            raise
        return Opened(session, scripts, synchroniser, writer, rights, filters, collections, contents)

    def _drop(self, account_id: str) -> None:
        opened = self._opened.pop(account_id, None)
        if opened is not None:
            opened.close()


def _contents(item_ids: Sequence[str], opened: Opened) -> list[bytes | Exception]:
    return opened.contents.read(item_ids)
