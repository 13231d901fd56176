# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose backup is encrypted, its archive and its witness, and another node that has the key."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import frames
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE, Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.coherency import NAMES
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, coherency, retrieval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

MASTER: Final = bytes(range(32))
OTHER: Final = bytes(range(1, 33))
INBOX: Final = "2"
ANNA, CARL = "id-of-anna-a1b2c3", "id-of-carl-d4e5f6"
ADDRESS: Final = {ANNA: "anna.canary@example.com", CARL: "carl.canary@example.com"}
FOLDER: Final = "Folder-Canary"

SHARED: Final = b"Subject: Shared-Canary\r\n\r\n" + b"sent to both of them, body-canary " * 20
OWN: Final = {
    ANNA: b"Subject: Subject-Canary-Anna\r\n\r\nbody-canary of anna " + b"a long story " * 30,
    CARL: b"Subject: Subject-Canary-Carl\r\n\r\nbody-canary of carl " + b"another story " * 30,
}
OF_CARL: Final = (b"Carl", b"carl", CARL.encode())
"""What nothing may say any more when he is forgotten, but for what others have of him."""


class Site:
    """A directory with node a (a mail server, its encrypted backup), its archive and witness, and an empty node b."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backup = path / "a" / "backup"
        self.archive_path = path / "archive"
        self.retrieved = path / "b" / "retrieved"
        self.witness = path / "elsewhere" / "witness.json"
        self.key = path / "master.key"

    @classmethod
    def create(cls, path: Path) -> Site:
        """Make one with two scans behind it: each account has mail of its own, and one message is in both."""
        site = cls(path)
        for folder in ("a", "b", "archive", "elsewhere"):
            (path / folder).mkdir()
        site.write_key(site.key, MASTER)
        for name in ("a", "b"):
            with contextlib.closing(EmbeddedStore.create(str(path / name / "store"))) as store:
                store.set_redo_log(False)
                if name == "a":
                    store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
                    for account, address in ADDRESS.items():
                        store.create_entry(Entry(account, kinds.ACCOUNT, address, {"displayName": (address[:11],)}))
                        write(store, account, kinds.FOLDER, INBOX, name=f"{FOLDER}-{address[:4]}")
                        write(store, account, kinds.MESSAGE, INBOX, OWN[account])
            site.save(name, site.settings_of(name))
        site.scan()
        with site.store() as store:
            for account in ADDRESS:
                write(store, account, kinds.MESSAGE, INBOX, SHARED)
        site.scan()
        return site

    def copy(self, path: Path) -> Site:
        """Return a site like this one in another place."""
        shutil.copytree(self.path, path)
        site = Site(path)
        settings = [path / name / "etc" / "restante.json" for name in ("a", "b")]
        for file in (*settings, site.witness, site.backup / "witness.json"):
            file.write_text(file.read_text().replace(f"{self.path}/", f"{path}/"))
        return site

    @staticmethod
    def write_key(path: Path, *keys: bytes) -> Path:
        """Write a master key, and others that may open what there is."""
        path.write_text("".join(f"{key.hex()}\n" for key in keys))
        path.chmod(0o600)
        return path

    def settings_of(self, name: str) -> Settings:
        """Return what the settings of a node are at first."""
        own = self.path / name
        volume = BackupVolume("local", str(self.archive_path)) if name == "a" else BackupVolume()
        return Settings(
            backup_path=str(own / "backup"), cache_path=str(own / "cache"), state_path=str(own / "state"),
            mailstore_path=str(own / "store"), backup_volume=volume, time_zone="UTC", encryption_key_file=str(self.key),
            witness_path=str(self.witness) if name == "a" else "",
        )

    def save(self, name: str, settings: Settings) -> None:
        """Write the settings of a node."""
        settings_file.save(str(self.path / name / "etc" / "restante.json"), settings)

    def node(self, name: str = "a") -> Node:
        """Return node a or b, with its settings as they are."""
        return Node.load(str(self.path / name / "etc" / "restante.json"))

    @contextlib.contextmanager
    def store(self, name: str = "a") -> Iterator[Any]:
        """The mail server of a node."""
        with contextlib.closing(self.node(name).store()) as store:
            yield store

    @contextlib.contextmanager
    def repository(self, path: Path | None = None, *masters: bytes) -> Iterator[Repository]:
        """The backup of node a, or one in a directory."""
        opened = Repository.open(str(path or self.backup), masters=masters or [MASTER])
        with contextlib.closing(opened):
            yield opened

    def scan(self) -> dict[str, Any]:
        """Bring the backup of node a, and its archive, up to date."""
        return backups.smart_scan(self.node())

    def mail(self, account: str, *contents: bytes) -> None:
        """Put messages into an Inbox and scan after each."""
        for content in contents:
            with self.store() as store:
                write(store, account, kinds.MESSAGE, INBOX, content)
            self.scan()

    def delete(self, account: str = CARL) -> None:
        """Delete an account on the mail server, and scan."""
        with self.store() as store:
            store.delete_entry(kinds.ACCOUNT, account)
        self.scan()

    @property
    def archived(self) -> Path:
        """Where the archive has the files of node a."""
        return next(folder for folder in self.archive_path.iterdir() if (folder / "format.json").exists())

    @property
    def archive(self) -> DirectoryArchive:
        return DirectoryArchive(str(self.archived))

    def retrieve(self, witness: bool = False) -> dict[str, Any]:
        """Fetch the metadata to node b."""
        return retrieval.retrieve_metadata(
            self.node("b"), self.archive, str(self.retrieved), witness=str(self.witness) if witness else "",
        )

    def check(self, **options: Any) -> dict[str, Any]:
        """Check the backup of node a, or put it right."""
        return coherency.check(
            self.node(), coherency.Options(**{"archive": NAMES, **options}), fail_on_damage=False
        )

    def without_catalogue(self) -> None:
        """Let the catalogue be made anew."""
        for file in self.backup.glob(f"{CATALOGUE_FILE}*"):
            file.unlink()


def write(store: Any, account: str, kind: str, folder: str, content: bytes | None = None, name: str = "") -> str:
    """Write an item; return its id."""
    state = ItemState("", kind, folder, name, date=1_700_000_000_000)
    written = store.write_items(account, [NewItem("", state, content)])[0]
    assert not written.error, written.error
    return str(written.item_id)


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let the time be some days later, for all that ask for it, and by the archive's clock too."""
    real = moment.now
    monkeypatch.setattr(moment, "now", lambda: real() + days * DAY)
    monkeypatch.setattr(DirectoryArchive, "now", lambda self: moment.now())
    monkeypatch.setattr(DirectoryArchive, "has_own_clock", True)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def told(repository: Repository, contents: bool = False) -> dict[str, Any]:
    """Return all that a backup says: of each account, each item's past.

    :param contents: also what can be read of each content, by digest; None for what cannot.
    """
    said: dict[str, Any] = {"damages": repository.damages(), "tokens": repository.tokens()}
    for scope in repository.scopes():
        items = {one.item_id for one in repository.states(scope, deleted=True)} | {ACCOUNT_ITEM}
        said[scope] = {item: list(repository.history(scope, item)) for item in items}
        for history in list(said[scope].values()) if contents else ():
            for one in history:
                if isinstance(one.state, ItemState) and one.state.digest:
                    try:
                        said[one.state.digest] = repository.read_blob(one.state.digest)
                    except (Damaged, NotFound):
                        said[one.state.digest] = None
    return said


def snapshot(path: Path) -> dict[str, bytes]:
    """Return all files under a directory."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def restored(path: Path, files: dict[str, bytes]) -> None:
    """Let a directory hold some files again, and nothing else: what who has the keys of a bucket can do."""
    for file in list(path.rglob("*")):
        if file.is_file():
            file.unlink()
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def readable(data: bytes) -> Iterator[bytes]:
    """Yield some bytes, and all in them that zstd can unpack: of frames, and from wherever a zstd frame may begin."""
    yield data
    for offset, head in frames.scan(data):
        with contextlib.suppress(Damaged):
            yield frames.decode(data[offset: offset + head.length])
    at = data.find(b"\x28\xb5\x2f\xfd")
    while at >= 0:
        with contextlib.suppress(zstandard.ZstdError):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
        at = data.find(b"\x28\xb5\x2f\xfd", at + 1)


def tells(path: Path, canaries: Collection[bytes], besides: Collection[str] = ()) -> set[str]:
    """Return which files under a directory say, whatever the case of letters, or are called, any of some things.

    :param besides: beginnings of the names of files that are not looked at.
    """
    found = set()
    for file in path.rglob("*"):
        name = str(file.relative_to(path))
        if not file.is_file() or name.startswith(tuple(besides)):
            continue
        texts = [name.encode(), *readable(file.read_bytes())]
        if any(canary.lower() in text.lower() for text in texts for canary in canaries):
            found.add(name)
    return found


def secrets_of(site: Site) -> list[bytes]:
    """Return whatever nobody may find in an encrypted backup without the key."""
    with site.repository() as repository:
        contents = [SHARED, *OWN.values()]
        digests = [digest(content) for content in contents]
        assert all(map(repository.has_blob, digests))
    words = [b"canary", b"example.com", ANNA.encode(), CARL.encode(), b"body-", b"story", b"displayName", b"Inbox"]
    return [*words, *(one.encode() for one in digests), *map(bytes.fromhex, digests), MASTER, MASTER.hex().encode()]


def rows(path: Path) -> str:
    """Return all that is in an SQLite database, as text."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())


def newest(path: Path, folder: str) -> Path:
    """Return the last of the numbered files in a folder."""
    return max((path / folder).iterdir(), key=os.fspath)
