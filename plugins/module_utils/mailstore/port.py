# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mail server port: everything the engine asks of a live mail server.

An adapter implements MailStore; nothing above this room knows which one it talks to. The conformance suite in
tests/conformance/ says what each method has to do, and every adapter passes it, minus what it declares in its
capabilities.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..model.errors import NotFound, Refused, RestanteError
from ..model.state import Entry, ItemState
from .following import Follower, TokenFollower


class Capabilities(NamedTuple):
    """What an adapter can hold. A restore reports what it cannot, and drops nothing silently."""

    item_kinds: frozenset[str]
    """Item kinds that can be written."""
    entry_kinds: frozenset[str]
    """Directory entry kinds that can be written."""
    keeps_entry_ids: bool
    """True where an entry can be created with the id that it had."""
    volumes: bool
    """True where the store has volumes, compression, a redo log and deduplication (mailstore.volumes.Volumes)."""


def shape(entry: Entry) -> tuple[object, ...]:
    """Return what reshape_entry makes of an entry, to be compared: order means nothing, nor does case in addresses."""
    return (
        entry.name.casefold(),
        {alias.casefold() for alias in entry.aliases},
        {member.casefold() for member in entry.members},
        {tuple(sorted(signature.items())) for signature in entry.signatures},
    )


def keep_shape(entry: Entry, present: Entry | None, where: str) -> bool:
    """Be reshape_entry where nothing can be taken away: return False where there is nothing to do.

    :param present: the entry that is there. :param where: ends the sentence about what cannot be done.
    :raises NotFound: there is none. :raises Refused: it would have to become another one.
    """
    if present is None:
        raise NotFound(f"There is no {entry.kind} with the id {entry.entry_id}; it may have been deleted.")
    if shape(present) == shape(entry):
        return False
    raise Refused(
        f"The {entry.kind} {present.name} cannot be given another name, or other aliases, members and signatures, "
        f"{where}; do that by hand."
    )


class Changes(NamedTuple):
    """What changed in one mailbox since a token."""

    token: str
    """The token to give next time; opaque to the engine."""
    full: bool
    """True: the items are all there are, and what is not among them does not exist any more."""
    items: Iterable[ItemState]
    """The new photograph of each added or changed item; folders before what lies in them. May be a generator."""
    deleted: Sequence[str]
    """Ids of items that are gone; empty when full."""
    unseen: Sequence[str] = ()
    """What could not be looked at, as sentences; what lies in there counts as it was."""


class NewItem(NamedTuple):
    """One item to be written."""

    origin: str
    """Id of the item in the backup; with the import id it makes the write repeatable."""
    state: ItemState
    """What to write. Folder and tag ids are already those of this mailbox; item_id is ignored (the store gives one)."""
    blob: bytes | None = None
    """The content, for kinds that have one."""
    verified: bool = False
    """True: it has just been held against the state's digest, and a store that keeps a digest may take that one."""


class Written(NamedTuple):
    """What became of one NewItem."""

    origin: str
    item_id: str
    """Id in this mailbox; empty when the item was refused."""
    existed: bool = False
    """True when an earlier call with the same import id had written it; nothing was done now."""
    error: str = ""
    """Why the mail server refused the item, in its words; empty when it is there."""
    lost: tuple[str, ...] = ()
    """What it had and this server cannot hold, such as "flag s" or "attribute color"."""


class MailStore(abc.ABC):
    """A live mail server. Used by one thread; a worker of its own opens its own.

    Methods raise NotFound for an unknown account or item, Refused when the server says no, and Unavailable when it
    does not answer; each with a sentence that names the server, the account and the item.
    """

    @abc.abstractmethod
    def server_id(self) -> str:
        """Return the UUID of this server."""

    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """Return what this server can hold."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections and files. Further calls are errors."""

    # -- the directory ---------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def entries(self, kind: str) -> Iterator[Entry]:
        """Yield all entries of one of kinds.ENTRY_KINDS, ordered by name, system accounts included."""

    @abc.abstractmethod
    def find_entry(self, kind: str, name_or_id: str) -> Entry | None:
        """Return the entry with this name (case does not matter) or id, None if there is none. Aliases do not count."""

    @abc.abstractmethod
    def create_entry(self, entry: Entry) -> Entry:
        """Create an entry with its id (if keeps_entry_ids), attributes, aliases, members and signatures.

        An account gets its mailbox with the system folders. Returns the entry as it is now, with its real id.
        :raises AlreadyExists: the name, an alias or the id is taken.
        :raises NotFound: the domain of an account does not exist.
        """

    @abc.abstractmethod
    def update_entry(self, entry: Entry) -> bool:
        """Make the entry with entry.entry_id have these attributes, aliases, members and signatures.

        Attributes not named are left alone; one with no values is unset. Aliases and members are added to those
        there; none is removed. Signatures replace those of the same id. Returns True if anything changed.
        """

    def reshape_entry(self, entry: Entry) -> bool:
        """Give the entry with entry.entry_id this very name, and these very aliases, members and signatures.

        What it has of these and is not named is taken away; attributes are left alone. True if anything changed.

        :raises AlreadyExists: an address is taken. :raises Refused: this directory takes nothing away.
        """
        return keep_shape(entry, self.find_entry(entry.kind, entry.entry_id), "by this mail server's adapter")

    @abc.abstractmethod
    def delete_entry(self, kind: str, entry_id: str) -> None:
        """Delete an entry; an account with its mailbox."""

    # -- reading a mailbox -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def tokens(self) -> Iterator[tuple[str, str]]:
        """Yield (account id, present change token) of every account, cheaply: unequal means "look at changes".

        Equal means that nothing has changed. So a token must not come again for another content, not even after the
        mail server was put back to an older state and changed from there.
        """

    @abc.abstractmethod
    def changes(self, account_id: str, since: str = "") -> Changes:
        """Return what changed since a token; everything when since is empty or the server cannot tell any more.

        It cannot where since is of a time that the mail server was put back from.
        """

    def follow(self) -> Follower:
        """Return what tells, from now on, of which accounts something has changed; used by the same thread."""
        return TokenFollower(self.tokens)

    @abc.abstractmethod
    def item(self, account_id: str, item_id: str) -> ItemState | None:
        """Return one item's present state, None if it is not there."""

    @abc.abstractmethod
    def folders(self, account_id: str) -> list[ItemState]:
        """Return all folders and mountpoints, parents before children. The root has the empty name and folder."""

    @abc.abstractmethod
    def read_blob(self, account_id: str, item_id: str) -> bytes:
        """Return the present content of an item, byte for byte.

        :raises Damaged: the store has lost or altered it.
        """

    def read_blobs(self, account_id: str, item_ids: Sequence[str]) -> Iterator[bytes | Exception]:
        """Yield the contents of items in this order; where read_blob would raise an error, that error.

        A mail server that can give several at once does it here. All may be in memory at the same time.
        """
        for item_id in item_ids:
            try:
                yield self.read_blob(account_id, item_id)
            except (RestanteError, OSError) as error:
                yield error

    # -- what can be held ------------------------------------------------------------------------------------------

    def held(self, account_id: str, state: ItemState) -> ItemState:
        """Return what this server can hold of an item: a copy of it has that, and what else it had is lost."""
        return state

    def held_blob(self, kind: str, blob: bytes) -> bytes:
        """Return how this server gives back a content of a kind, where it rewrites it."""
        return blob

    def rewrites(self, kind: str) -> bool:
        """Return whether this server may write a content of a kind anew: then what it says counts, not its bytes."""
        return False

    # -- writing a mailbox -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def write_items(self, account_id: str, batch: Sequence[NewItem], import_id: str = "") -> list[Written]:
        """Add items, each once.

        With an import id, an item whose origin was written under that import before is recognised, even after a
        crash, and comes back with existed=True. When this returns, what it reports as written is durable. A refused
        item never stops the others. Without an import id every item is new.
        """

    @abc.abstractmethod
    def imported(self, account_id: str, import_id: str) -> Iterator[tuple[str, str]]:
        """Yield (origin, item id) of all that was written under an import, in the order of writing."""

    @abc.abstractmethod
    def map_imported(self, account_id: str, import_id: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Record that an origin is the given item of this mailbox already (an existing folder, tag, mountpoint)."""

    @abc.abstractmethod
    def update_item(self, account_id: str, state: ItemState, blob: bytes | None = None) -> None:
        """Give an existing item this folder, name, flags, tags, date and attributes; and this content if given."""

    def update_items(self, account_id: str, states: Sequence[ItemState]) -> list[RestanteError | None]:
        """Give existing items this folder, name, flags, tags, date and attributes; durable when this returns.

        :return: why each was refused, None where it was not; one that is refused never stops the others.
        """
        refused: list[RestanteError | None] = []
        for state in states:
            try:
                self.update_item(account_id, state)
                refused.append(None)
            except (NotFound, Refused) as error:
                refused.append(error)
        return refused

    @abc.abstractmethod
    def delete_items(self, account_id: str, item_ids: Sequence[str]) -> None:
        """Remove items for good (a folder with all in it). Unknown ids are ignored."""
