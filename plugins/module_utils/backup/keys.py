# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of an encrypted backup (docs/format.md, "Encryption"). No I/O.

A keyring holds the secret of the repository, wrapped by the master key, and a secret for each account. Journals of an
account are closed with its own. A content is closed with a secret made of its digest, which only journals tell: so it
is stored once for all accounts that have it, and is out of reach when the journals of all of them are.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model import foreign
from ..model.errors import Damaged, NotABackup, Refused
from . import sealing

DIRECTORY: Final = "keys"
KEY_ID_SIZE: Final = 16
_FORMAT: Final = 1
_CIPHER: Final = "AES-256-GCM"
_NAME = re.compile(r"([0-9]{20})\.json")


class Forgotten(Damaged):
    """What is encrypted with a key that was destroyed on purpose, with its account."""


class Key(NamedTuple):
    """A secret and the name that frames know it by."""

    id: bytes
    secret: bytes

    def __repr__(self) -> str:
        """Say which, and never the secret: what is printed may be kept."""
        return f"Key({self.id.hex()})"


class Lock(NamedTuple):
    """What one frame is closed with."""

    key: Key
    name: bytes
    """What its header has in the place of the digest of its content."""


class Identity(NamedTuple):
    """Whose keys they are; as in format.json."""

    repository: str
    server: str
    created: int


class Destroyed(NamedTuple):
    """A key that is no more."""

    scope: str
    id: bytes
    at: int
    """UTC milliseconds."""
    alias: bytes
    """What Keys.alias makes of the address that the account had: it can be recognised, and not read."""


class Ring(NamedTuple):
    """All keys of a backup as of one moment. Each change makes a new one, under the next number."""

    identity: Identity
    number: int
    secret: bytes
    """That of the repository."""
    accounts: Mapping[str, Key]
    """By account id."""
    destroyed: tuple[Destroyed, ...] = ()

    def __repr__(self) -> str:
        """Say which, and no secret."""
        return f"Ring({self.identity.repository}, {self.number}, {len(self.accounts)} accounts)"

    def with_accounts(self, keys: Mapping[str, Key]) -> Ring:
        """Return the next ring, in which some accounts have new keys."""
        return self._replace(number=self.number + 1, accounts={**self.accounts, **keys})

    def without_accounts(self, aliases: Mapping[str, bytes], at: int) -> Ring:
        """Return the next ring, in which the keys of some accounts are no more.

        :param aliases: by account id. :param at: UTC milliseconds; see Destroyed for both.
        """
        accounts = {scope: key for scope, key in self.accounts.items() if scope not in aliases}
        new = (Destroyed(scope, self.accounts[scope].id, at, alias) for scope, alias in aliases.items())
        return self._replace(number=self.number + 1, accounts=accounts, destroyed=(*self.destroyed, *new))

    def again(self) -> Ring:
        """Return the next ring, with the same keys."""
        return self._replace(number=self.number + 1)


def new_ring(identity: Identity) -> Ring:
    """Return the keyring of a new backup, before the first one that is kept."""
    return Ring(identity, 0, sealing.new_secret(), {})


# -- files of keyrings -------------------------------------------------------------------------------------------------


def name(number: int) -> str:
    """Return the relative file name of a keyring."""
    return f"{DIRECTORY}/{number:020}.json"


def number_of(file_name: str) -> int:
    """Return the number of a keyring from its file's name, without directories; 0 for anything else."""
    match = _NAME.fullmatch(file_name)
    return int(match[1]) if match else 0


def encode(ring: Ring, master: bytes) -> bytes:
    """Return the bytes of a keyring's file. :param master: the master key, 32 bytes."""
    record: dict[str, Any] = {**ring.identity._asdict(), "format": _FORMAT, "cipher": _CIPHER, "number": ring.number}
    context = _context(record)
    content = json.dumps({
        "accounts": {scope: [key.id.hex(), key.secret.hex()] for scope, key in sorted(ring.accounts.items())},
        "destroyed": [[one.scope, one.id.hex(), one.at, one.alias.hex()] for one in ring.destroyed],
    }, separators=(",", ":")).encode("ascii")
    closed = _closed(master, ring.secret, context)
    return _file(record, closed, _closed(sealing.derive(ring.secret, b"keyring"), content, context))


def identity_of(data: bytes, where: str) -> Identity:
    """Return whose keyring a file says that it is; opening it proves that. :raises Damaged: it is none."""
    try:
        record = foreign.parse(data)
        return Identity(str(record["repository"]), str(record["server"]), int(record["created"]))
    except foreign.UNREADABLE as error:
        raise Damaged(f"{where} is cut short or altered; it is no keyring that can be read.") from error


def parse(data: bytes, masters: Sequence[bytes], where: str) -> tuple[Ring, bytes]:
    """Read a keyring; return it with the master key that opens it.

    :param masters: master keys that may do so. :param where: the file, for messages.
    :raises Damaged: it is cut short or altered. :raises Refused: its master key is none of these.
    :raises NotABackup: it is of a newer format.
    """
    identity = identity_of(data, where)
    try:
        record = foreign.parse(data)
        if record["format"] != _FORMAT or record["cipher"] != _CIPHER:
            raise NotABackup(f"{where} was written by a newer version; upgrade restante.carbonio to read it.")
        number = int(record["number"])
        said = {key: record[key] for key in (*Identity._fields, "format", "cipher", "number")}
        closed, content = base64.b64decode(record["secret"]), base64.b64decode(record["keys"])
        if data != _file(said, closed, content):
            raise ValueError("something was put into it, or behind it")
        context = _context(said)
    except foreign.UNREADABLE as error:
        raise Damaged(f"{where} is cut short or altered; it is no keyring that can be read.") from error
    for master in masters:
        with contextlib.suppress(Damaged):
            secret = _opened(master, closed, context)
            break
    else:
        raise Refused(
            f"{where} cannot be opened: either the master key is not the one that this backup was encrypted with, or "
            "the file was altered. Name the right master key in the settings (encryption_key_file, "
            "encryption_key_variable or encryption_key_command)."
        )
    try:
        keys = foreign.parse(_opened(sealing.derive(secret, b"keyring"), content, context))
        ring = Ring(
            identity, number, secret,
            {scope: Key(*map(bytes.fromhex, key)) for scope, key in keys["accounts"].items()},
            tuple(
                Destroyed(scope, bytes.fromhex(key_id), at, bytes.fromhex(alias))
                for scope, key_id, at, alias in keys["destroyed"]
            ),
        )
        return ring, master
    except (Damaged, *foreign.UNREADABLE) as error:
        raise Damaged(f"{where} is altered; the keys in it cannot be read.") from error


def _context(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), sort_keys=True).encode("ascii")


def _file(said: Mapping[str, Any], secret: bytes, content: bytes) -> bytes:
    closed = {"secret": base64.b64encode(secret).decode("ascii"), "keys": base64.b64encode(content).decode("ascii")}
    return _context({**said, **closed}) + b"\n"


def _closed(secret: bytes, data: bytes, context: bytes) -> bytes:
    nonce = sealing.new_nonce()
    return nonce + sealing.seal(secret, nonce, data, context)


def _opened(secret: bytes, data: bytes, context: bytes) -> bytes:
    return sealing.unseal(secret, data[: sealing.NONCE_SIZE], data[sealing.NONCE_SIZE:], context)


# -- using them --------------------------------------------------------------------------------------------------------


class _Used:
    """A keyring and what is made of it. It is made whole and never changed: no thread sees parts of two."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.names = sealing.derive(ring.secret, b"names")
        self.aliases = sealing.derive(ring.secret, b"aliases")
        self.contents = sealing.derive(ring.secret, b"contents")
        self.own = Key(
            sealing.derive(ring.secret, b"key id")[:KEY_ID_SIZE], sealing.derive(ring.secret, b"repository"),
        )
        self.secrets = {key.id: key.secret for key in (self.own, *ring.accounts.values())}
        self.destroyed = {one.id: one for one in ring.destroyed}


class Keys:
    """What the frames of an encrypted backup are closed and opened with. Reading is for any thread, writing for one."""

    def __init__(self, ring: Ring, newer: Callable[[], Ring]) -> None:
        """:param newer: returns the newest keyring that there is; a writer may have added keys since this one."""
        self._newer = newer
        self._new: dict[str, Key] = {}
        """Of accounts that are in no keyring yet; something may be closed with them already."""
        self._unknown: set[bytes] = set()
        self._used = _Used(ring)
        self._changing = threading.RLock()

    @property
    def ring(self) -> Ring:
        """The keyring that is used."""
        return self._used.ring

    def keep(self, ring: Ring) -> None:
        """Go on with a newer keyring; one that is not newer changes nothing."""
        with self._changing:
            if ring.number > self.ring.number:
                self._new = {scope: key for scope, key in self._new.items() if scope not in ring.accounts}
                self._unknown = set()
                self._used = _Used(ring)

    def _renew(self) -> None:
        """Go on with the newest keyring that there is."""
        with self._changing:  # or what was read first might be kept last
            self.keep(self._newer())

    def forgotten(self) -> set[str]:
        """Return the ids of the accounts that have no key any more."""
        ring = self.ring
        return {one.scope for one in ring.destroyed} - set(ring.accounts)

    def name(self, digest: bytes) -> bytes:
        """Return what a content is called where others may read it: nobody without the keys can tell what it is."""
        return sealing.derive(self._used.names, digest)

    def alias(self, address: str) -> bytes:
        """Return what stands for an address where it must not be read."""
        return sealing.derive(self._used.aliases, address.lower().encode("utf-8", "surrogateescape"))

    # -- closing ---------------------------------------------------------------------------------------------------

    def of_content(self, digest: bytes) -> Lock:
        """Return what a content is closed with. :param digest: its SHA-256, as below."""
        return Lock(Key(self._used.own.id, self._content(digest)), self.name(digest))

    def of_repository(self, digest: bytes) -> Lock:
        """Return what an index, a commit or a segment of the server's journal is closed with."""
        return Lock(self._used.own, self.name(digest))

    def of_account(self, scope: str, digest: bytes) -> Lock:
        """Return what a segment of an account's journal is closed with; the account gets a key where it has none.

        A key that was given must be kept before anything that it closes counts: see pending().
        """
        with self._changing:
            key = self.ring.accounts.get(scope) or self._new.get(scope)
            if key is None:
                key = self._new[scope] = Key(secrets.token_bytes(KEY_ID_SIZE), sealing.new_secret())
        return Lock(key, self.name(digest))

    def pending(self) -> Ring | None:
        """Return the keyring that must be kept, with the keys that are new; None where there are none."""
        with self._changing:
            return self.ring.with_accounts(self._new) if self._new or not self.ring.number else None

    def drop_pending(self) -> None:
        """Forget the keys that were given and not kept, with what was closed with them: no commit will name it."""
        with self._changing:
            self._new = {}

    def reach(self, number: int) -> bool:
        """Return whether the keyring is the one of a number, or a newer one."""
        if self.ring.number < number:
            self._renew()
        return self.ring.number >= number

    # -- opening ---------------------------------------------------------------------------------------------------

    def secret_of_content(self, digest: bytes) -> bytes:
        """Return what a content is opened with."""
        return self._content(digest)

    def secret(self, key_id: bytes) -> bytes:
        """Return what anything else is opened with.

        :raises Forgotten: that key was destroyed. :raises Damaged: nothing is known of it.
        """
        used = self._used
        if key_id not in used.secrets and key_id not in used.destroyed:
            with self._changing:
                if key_id not in self._unknown:
                    self._renew()
                    self._unknown.add(key_id)  # to ask once is enough for all that is closed with it
                used = self._used
        if key_id in used.destroyed:
            raise Forgotten(f"The account {used.destroyed[key_id].scope} was forgotten, its key destroyed.")
        try:
            return used.secrets[key_id]
        except KeyError as error:
            raise Damaged(
                f"It is encrypted with the key {key_id.hex()}, which the keyring does not have: the keyring is older "
                "than the backup. Fetch the newest one from the archive."
            ) from error

    def _content(self, digest: bytes) -> bytes:
        return sealing.derive(self._used.contents, digest)
