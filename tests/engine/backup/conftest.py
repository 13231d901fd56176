# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small backup, and how to look at it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, open_pack
from ansible_collections.restante.carbonio.plugins.module_utils.backup.files import Files
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE, Repository
from ansible_collections.restante.carbonio.plugins.module_utils.backup.writer import Writer
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    ACCOUNT_ITEM,
    SERVER,
    Entry,
    ItemState,
)

from tests import encrypted
from tests.engine.backup.fragile import UnsyncedFiles

PACK = 4096
ANNA, BOB = "anna-id", "bob-id"


def content(number: int) -> bytes:
    """Return a message of some 600 bytes that zstd cannot make much smaller."""
    noise = b"\r\n".join(hashlib.sha256(b"%d %d" % (number, line)).hexdigest().encode() for line in range(8))
    return b"Subject: Message %d\r\n\r\n%b\r\n" % (number, noise)


def message(writer: Writer, scope: str, number: int, flags: str = "", at: int | None = None) -> ItemState:
    """Record a message with its content; return its state."""
    data = content(number)
    state = ItemState(
        str(number), kinds.MESSAGE, "2", flags=flags, date=1000 + number, size=len(data), digest=writer.put_blob(data)
    )
    writer.append(scope, state.item_id, state.kind, state, number * 10 if at is None else at)
    return state


def account(writer: Writer, scope: str, at: int = 0) -> None:
    """Record an account with an Inbox."""
    entry = Entry(scope, kinds.ACCOUNT, f"{scope}@example.com", {"displayName": (scope,)})
    writer.append(scope, ACCOUNT_ITEM, kinds.ACCOUNT, entry, at)
    writer.append(scope, "1", kinds.FOLDER, ItemState("1", kinds.FOLDER), at)
    writer.append(scope, "2", kinds.FOLDER, ItemState("2", kinds.FOLDER, "1", "Inbox"), at)


def fill(path: Path, masters: Sequence[bytes] = encrypted.MASTERS) -> None:
    """Make a backup of three commits: Anna has messages 10 to 29, Bob 30 to 39; Anna's 10 is flagged, her 11 gone."""
    files = UnsyncedFiles(str(path))
    path.mkdir(parents=True)
    info = commits.FormatInfo("repository-id", "server-id", 0, bool(masters))
    files.write_new(commits.FORMAT_FILE, commits.encode_format(info))
    repository = opened(path, masters=masters)
    with repository.writer() as writer:
        writer.append(SERVER, "d-1", kinds.DOMAIN, Entry("d-1", kinds.DOMAIN, "example.com"), 0)
        account(writer, ANNA)
        for number in range(10, 30):
            message(writer, ANNA, number)
        writer.commit({ANNA: "a1", SERVER: "s1"})
        account(writer, BOB, 300)
        for number in range(30, 40):
            message(writer, BOB, number)
        writer.commit({BOB: "b1"})
        message(writer, ANNA, 10, "f", at=500)
        writer.append(ANNA, "11", kinds.MESSAGE, None, 510)
        writer.commit({ANNA: "a2"})
    repository.close()


def opened(
    path: Path, files: Files | None = None, masters: Sequence[bytes] = encrypted.MASTERS
) -> Repository:
    """Open a backup with tiny packs and without fsync."""
    files = files or UnsyncedFiles(str(path))
    return Repository(files, commits.parse_format(files.read(commits.FORMAT_FILE), str(path)), PACK, masters)


def without_catalogue(path: Path) -> Path:
    """Delete the catalogue, so that it is made anew."""
    for file in path.glob(CATALOGUE_FILE + "*"):
        file.unlink()
    return path


def items(repository: Repository, scope: str, at: int | None = None) -> dict[str, str]:
    """Return the flags of the messages of an account, by item id."""
    return {
        found.item_id: found.state.flags
        for found in repository.states(scope, at, kinds=[kinds.MESSAGE]) if isinstance(found.state, ItemState)
    }


def pack_path(path: Path, name: str) -> Path:
    return path / "packs" / name[:2] / name


@pytest.fixture(autouse=True)
def _no_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every frame be a write of its own, so that it can fail by itself."""
    monkeypatch.setattr(open_pack, "BUFFER", 1)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A filled Backup Path."""
    path = tmp_path / "backup"
    fill(path)
    return path


@pytest.fixture
def reopen(backup: Path) -> Callable[[], Repository]:
    """Open the filled Backup Path with a catalogue that is made anew."""
    return lambda: opened(without_catalogue(backup))
