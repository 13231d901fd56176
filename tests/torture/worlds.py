# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two mail nodes, the backup of the first and its archive: a directory that can be copied, wrecked and looked at.

What must always be true of it is said here:

- every backup in it, the archive among them, is whole and says no less than before; its catalogue says what its
  journals say; each commit names the hash of the one before it; each content has its digest;
- the archive has no commit without all those before it and their packs, and no other than the Backup Path;
- every mail that the mail servers list can be read, and none is there more often than it may be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, SERVER, Transaction
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

from tests.engine.restore.copy_kit import Server
from tests.engine.restore.restore_kit import fill, mail

ANNA: Final = "a-anna"
INBOX: Final = "2"
MASTERS: Final = (bytes(range(32)), bytes(range(1, 33)))
"""The master keys of encrypted backups, first and later."""

_COMPLAINTS: Final = ("warnings", "failures", "read_errors", "unrestored_items", "damages", "faults", "problems")
"""What of an operation's result says that something is not done."""

History = dict[str, list[tuple[int, int, Any]]]

BACKUP: Final = "a/backup"
ARCHIVE: Final = "archive"
RETRIEVED: Final = "b/retrieved"

Contents = Counter[tuple[str, str, str, str, int]]
"""How often a content is in a mailbox: by node, address, kind, digest and date."""


class Broken(Exception):
    """Something is not as it must be; the text says what."""


class World:
    """A directory with node a (a mail server, its backup), its archive, and node b (an empty mail server)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = path / ARCHIVE
        self.retrieved = path / RETRIEVED
        self.copied = path / "b" / "copied"
        self.exported = path / "exported"

    @classmethod
    def create(cls, path: Path) -> World:
        """Make one with a past: mail of every kind, changed, moved and deleted between scans, all of it archived."""
        world = cls.empty(path)
        with world.store("a") as store:
            fill(store)
        world.scan()
        with world.store("a") as store:
            messages = [mail(store, ANNA, INBOX, number) for number in range(50, 58)]
        world.scan()
        with world.store("a") as store:
            store.delete_items(ANNA, messages[:3])
            moved = next(one for one in store.changes(ANNA).items if one.item_id == messages[3])
            store.update_item(ANNA, moved._replace(folder="3"))
        world.scan()
        return world

    @classmethod
    def empty(cls, path: Path) -> World:
        """Make one with nothing in it: two mail servers, of which the first has an archive."""
        world = cls(path)
        for name in ("a", "b"):
            with contextlib.closing(EmbeddedStore.create(str(path / name / "store"))) as store:
                store.set_redo_log(False)
        for name, volume in (("a", BackupVolume("local", str(world.archive))), ("b", BackupVolume())):
            own = path / name
            (own / "etc").mkdir()
            settings_file.save(str(world._settings(name)), Settings(
                backup_path=str(own / "backup"), cache_path=str(own / "cache"), state_path=str(own / "state"),
                mailstore_path=str(own / "store"), backup_volume=volume, time_zone="UTC",
            ))
        world.archive.mkdir()
        return world

    def copy(self, path: Path) -> World:
        """Return a world like this one in another place."""
        shutil.copytree(self.path, path)
        world = World(path)
        world.moved_from(self.path)
        return world

    def moved_from(self, *places: Path) -> None:
        """Correct the settings of both nodes, which say where they lie."""
        for name in ("a", "b"):
            settings = self._settings(name)
            text = settings.read_text(encoding="utf-8")
            for place in places:
                text = text.replace(f"{place}/", f"{self.path}/")
            settings.write_text(text, encoding="utf-8")

    def _settings(self, name: str) -> Path:
        return self.path / name / "etc" / "restante.json"

    def node(self, name: str) -> Node:
        """Return node a or b."""
        return Node.load(str(self._settings(name)))

    def server(self, name: str) -> Server:
        """Return the mail server of a node, to look at."""
        return Server(self.path / name)

    @contextlib.contextmanager
    def store(self, name: str) -> Iterator[EmbeddedStore]:
        """The mail server of a node, while the with statement lasts."""
        with contextlib.closing(self.node(name).store()) as store:
            yield store

    def scan(self) -> None:
        """Bring the backup of node a, and its archive, up to date."""
        backups.smart_scan(self.node("a"))

    # -- what there is ---------------------------------------------------------------------------------------------

    def mailboxes(self, name: str) -> dict[str, Any]:
        """Return what is in each mailbox of a node, by address, without the ids that a server gives out."""
        server = self.server(name)
        with self.store(name) as store:
            addresses = [entry.name for entry in store.entries(kinds.ACCOUNT)]
        return {address: server.content(address) for address in addresses}

    def recorded(self) -> dict[str, Any]:
        """Return what the backup of node a says that each mailbox holds now."""
        with contextlib.closing(self.node("a").repository()) as backup:
            return {
                scope: sorted(str(one.state.to_json()) for one in backup.states(scope) if one.state is not None)
                for scope in backup.scopes()
            }

    def backups(self) -> list[Path]:
        """Return the backups that there are, complete ones and copies of the metadata."""
        places = [
            self.path / "a" / "backup", self.path / "b" / "backup", self.retrieved, self.copied, self.exported,
            *(self.archive.iterdir() if self.archive.is_dir() else ()),
        ]
        return [place for place in places if (place / "format.json").exists()]

    def _name(self, place: Path) -> str:
        return ARCHIVE if place.parent == self.archive else str(place.relative_to(self.path))

    def histories(self, damaged: Collection[str] = ()) -> dict[str, dict[str, History]]:
        """Return all that each backup says, but those that are damaged."""
        return {self._name(place): told(place) for place in self.backups() if self._name(place) not in damaged}

    def contents(self) -> Contents:
        """Return how often each content is in each mailbox."""
        found: Contents = Counter()
        for name in ("a", "b"):
            with self.store(name) as store:
                for entry in store.entries(kinds.ACCOUNT):
                    for one in store.changes(entry.entry_id).items:
                        if one.digest:
                            found[name, entry.name, one.kind, one.digest, one.date] += 1
        return found

    def lost(self) -> set[tuple[str, str]]:
        """Return the account and the id of each item of node a of which the mail server has lost the content."""
        with self.store("a") as store:
            return {
                (blob.account_id, blob.item_id)
                for volume in store.volumes() for blob in store.missing_blobs(volume.volume_id)
            }

    # -- what must be true -----------------------------------------------------------------------------------------

    def check(
        self, before: dict[str, dict[str, History]], *, most: Contents | None = None, damaged: Collection[str] = (),
        lost: Collection[tuple[str, str]] = (),
    ) -> None:
        """Look at everything.

        :param before: histories() of an earlier time. :param most: how often each content may be in a mailbox.
        :param damaged: BACKUP or ARCHIVE, where that is being put right and need not be whole yet.
        :param lost: items of which the content may be missing, as lost() gave them.
        :raises Broken: what is wrong.
        """
        for place in self.backups():
            if self._name(place) not in damaged:
                self._check_backup(place, before.get(self._name(place), {}))
        self._check_mail("a", self.lost().intersection(lost) if lost else ())
        self._check_mail("b")
        if not damaged:
            self.check_archive()
        twice = self.contents() - most if most is not None else None
        if twice:
            raise Broken(f"It is there too often: {next(iter(twice))}.")

    def _check_backup(self, place: Path, before: dict[str, History]) -> None:
        state = _digest(place)
        if state not in _SOUND:
            _SOUND[state] = self._sound(place)
        now = _SOUND[state]
        for scope, items in before.items():
            for item, history in items.items():
                if now.get(scope, {}).get(item, [])[:len(history)] != history:
                    raise Broken(
                        f"{self._name(place)}: what it said of item {item} of {scope} is gone or another: {history} "
                        f"has become {now.get(scope, {}).get(item, [])}."
                    )

    def _sound(self, place: Path) -> dict[str, History]:
        """Return all that a backup says that is sound in itself. :raises Broken: it is not."""
        bare = self.path / "bare"
        shutil.copytree(place, bare, ignore=lambda _folder, names: [name for name in names if "catalog" in name])
        now = told(bare)
        if place.parent != self.archive and told(place) != now:
            raise Broken(f"{self._name(place)}: the catalogue does not say what the journals say.")
        with contextlib.closing(opened(bare)) as backup:
            _check_chain(self._name(place), backup)
        if place != self.retrieved:
            check_contents(bare, now)
        shutil.rmtree(bare)
        return now

    def _check_mail(self, name: str, lost: Collection[tuple[str, str]] = ()) -> None:
        with self.store(name) as store:
            for entry in store.entries(kinds.ACCOUNT):
                for state in store.changes(entry.entry_id).items:
                    if state.digest and (entry.entry_id, state.item_id) not in lost:
                        content = store.read_blob(entry.entry_id, state.item_id)
                        if hashlib.sha256(content).hexdigest() != state.digest:
                            raise Broken(f"{name}: item {state.item_id} of {entry.name} has another content.")

    def complaints(self) -> list[Any]:
        """Return what the newest operation of each node says that it could not do."""
        found: list[Any] = []
        for name in ("a", "b"):
            records = self.node(name).operations.list()
            result = records[-1].result if records else {}
            found += [result[key] for key in _COMPLAINTS if result.get(key)]
        return found

    def not_archived(self) -> int:
        """Return how many commits the archive lacks."""
        with contextlib.closing(self.node("a").repository()) as backup:
            return backup.newest() - _newest(self._archived(backup.server_id))

    def _archived(self, server_id: str) -> dict[str, int]:
        """Return the files of the archive with their sizes."""
        return {file.name: file.size for file in DirectoryArchive(str(self.archive), server_id).list("")}

    def check_archive(self) -> None:
        """Whatever commit is archived, all that it names is archived too, and so is all that the backup then is.

        Before a full commit, commits may be missing: a coherency check makes one that stands for those that are lost.
        """
        if self.path / "a" / "backup" not in self.backups():
            return
        with contextlib.closing(opened(self.path / "a" / "backup")) as backup:
            there = self._archived(backup.server_id)
            newest = _newest(there)
            if not newest:
                return
            full = backup.commit(newest).checkpoint
            numbers = [seq for seq in range(1, newest + 1) if seq >= full or f"commits/{seq:020}.json" in there]
            archived = [backup.commit(seq) for seq in numbers if seq >= full or _is_here(backup, seq)]
            for commit, after in zip(archived, archived[1:]):
                if after.seq == commit.seq + 1 and after.previous != commit.hash:
                    raise Broken(f"Commit {after.seq} does not follow commit {commit.seq}.")
            known = {commit.seq: commit for commit in archived}
            # One that is lost here, and not needed any more, may be the one that says what was removed.
            for seq in sorted(set(numbers) - set(known), reverse=True):
                data = (self.archive / backup.server_id / commits.name(seq)).read_bytes()
                if seq + 1 in known and known[seq + 1].previous == hashlib.sha256(data).hexdigest():
                    known[seq] = commits.parse(data, commits.name(seq), backup.keys)
            removed = {name for commit in known.values() for name in commit.removed}
            lost = max(set(range(1, full)) - set(known), default=0)  # nobody knows what that one has removed
            for commit in archived:
                if f"commits/{commit.seq:020}.json" not in there:
                    raise Broken(f"The archive has commit {newest} and lacks {commit.seq}.")
                name = commits.name(commit.seq)
                if (self.archive / backup.server_id / name).read_bytes() != backup.files.read(name):
                    raise Broken(f"Commit {commit.seq} in the archive is another one than in the Backup Path.")
                for pack in commit.packs if commit.seq > lost else ():
                    if there.get(packs.file_name(pack.name)) != pack.size and pack.name not in removed:
                        raise Broken(f"The archive has commit {commit.seq} and lacks its pack {pack.name}.")


def _is_here(backup: Repository, seq: int) -> bool:
    return backup.files.size(f"commits/{seq:020}.json") is not None


def check_catalogue(place: Path, now: dict[str, History]) -> None:
    """Make the catalogue anew elsewhere. :param now: told(place). :raises Broken: it says something else."""
    bare = place.with_name(place.name + ".bare")
    shutil.copytree(place, bare, ignore=lambda _folder, names: [name for name in names if "catalog" in name])
    if told(bare) != now:
        raise Broken(f"{place.name}: the catalogue does not say what the journals say.")
    shutil.rmtree(bare)


def check_contents(place: Path, now: dict[str, History]) -> None:
    """Read all contents. :param now: told(place). :raises Broken: one is another."""
    with contextlib.closing(opened(place)) as backup:
        for digest in {digest for items in now.values() for digest in digests(items)}:
            if hashlib.sha256(backup.read_blob(digest)).hexdigest() != digest:
                raise Broken(f"{place}: the content {digest} is another.")


_SOUND: Final[dict[str, dict[str, History]]] = {}
"""What was looked at already, by its digest: most disturbances leave the archive, or all of it, as it was."""


def _digest(place: Path) -> str:
    """Return what is the same for two directories with the same files in them."""
    found = hashlib.sha256(place.name.encode())
    for path in sorted(place.rglob("*")):
        if path.is_file():
            found.update(f"{path.relative_to(place)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return found.hexdigest()


def _check_chain(name: str, backup: Repository) -> None:
    """Make sure that each commit that there is names the hash of the one before it."""
    before = None
    for number in sorted(filter(None, map(commits.number, backup.files.names(commits.DIRECTORY)))):
        try:
            commit = backup.commit(number)
        except Damaged as error:
            raise Broken(f"{name}: commit {number} cannot be read: {error}") from error
        if before is not None and number == before.seq + 1 and commit.previous != before.hash:
            raise Broken(f"{name}: commit {number} does not name the hash of the one before it.")
        if before is not None and number > before.seq + 1 and not commit.full:
            raise Broken(f"{name}: the commits {before.seq + 1} to {number - 1} are missing.")
        before = commit


def _newest(files: dict[str, int]) -> int:
    return max((int(name[8:-5]) for name in files if name.startswith("commits/")), default=0)


def opened(place: Path) -> Repository:
    """Open a backup, with the master keys where it is encrypted."""
    info = commits.parse_format((place / commits.FORMAT_FILE).read_bytes(), str(place))
    return Repository.open(str(place), masters=MASTERS if info.encrypted else ())


def told(place: Path) -> dict[str, History]:
    """Return all that a backup says, by account (or the server) and item. :raises Broken: it is not whole."""
    with contextlib.closing(opened(place)) as backup:
        damages = backup.damages()
        if damages:
            raise Broken(f"{place.name} is damaged: {damages[0]}")
        return {scope: _said(backup, scope) for scope in (SERVER, *backup.scopes())}


def _said(backup: Repository, scope: str) -> History:
    names = [*(one.item_id for one in backup.states(scope, deleted=True)), ACCOUNT_ITEM]
    histories = {item: [_plain(step) for step in backup.history(scope, item)] for item in names}
    return {item: history for item, history in histories.items() if history}


def _plain(step: Transaction) -> tuple[int, int, Any]:
    return step.seq, step.at, None if step.state is None else step.state.to_json()


def digests(items: History) -> Iterator[str]:
    """Yield the contents that items have, or had."""
    for history in items.values():
        for _seq, _at, state in history:
            if state and state.get("digest"):
                yield state["digest"]


def remove(path: Path) -> None:
    """Remove a directory, whatever its permissions are."""
    for folder, folders, _files in os.walk(path):
        for name in folders:
            os.chmod(os.path.join(folder, name), 0o700)
    shutil.rmtree(path)
