# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of this room share: a backup that grows, and an archive to put faults into."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.archive.port import Archive, StoredFile
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

PACK_SIZE = 4096
ACCOUNT = "account-1"


class Backup:
    """A Backup Path with tiny packs, of which each commit adds some messages."""

    def __init__(self, path: Path, server: str = "server-1") -> None:
        self.repository = Repository.create(str(path), server, pack_size=PACK_SIZE)
        self.path = path
        self.contents: dict[str, bytes] = {}
        """All blobs by digest."""

    def grow(self, commits: int = 1, messages: int = 4) -> None:
        """Record messages in some commits."""
        with self.repository.writer() as writer:
            for _unused in range(commits):
                for _unused in range(messages):
                    content = os.urandom(700) + b" and so on" * 50
                    digest = writer.put_blob(content)
                    self.contents[digest] = content
                    item = str(257 + len(self.contents))
                    state = ItemState(item, kinds.MESSAGE, "2", size=len(content), digest=digest)
                    writer.append(ACCOUNT, item, kinds.MESSAGE, state)
                writer.commit({ACCOUNT: str(len(self.contents))})

    def files(self) -> list[str]:
        """Return the names of all files that belong in an archive."""
        return sorted(
            str(path.relative_to(self.path)) for folder in ("commits", "packs")
            for path in (self.path / folder).rglob("*") if path.is_file()
        ) + ["format.json"]


class Interposed(Archive):
    """Stands before another archive, passes everything on and keeps a log of it. Tests override what they need."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.log: list[tuple[str, str]] = []

    def requests(self, method: str) -> list[str]:
        """Return the names that a method was called with."""
        return [name for called, name in self.log if called == method]

    def describe(self) -> str:
        return self.archive.describe()

    def put(self, name: str, data: bytes) -> None:
        self.log.append(("put", name))
        self.archive.put(name, data)

    def put_file(self, name: str, path: str, sha256: str) -> None:
        self.log.append(("put_file", name))
        self.archive.put_file(name, path, sha256)

    def put_new(self, name: str, data: bytes) -> bool:
        self.log.append(("put_new", name))
        return self.archive.put_new(name, data)

    def get(self, name: str, most: int | None = None) -> bytes:
        self.log.append(("get", name))
        return self.archive.get(name, most)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.log.append(("get_range", name))
        return self.archive.get_range(name, offset, length)

    def size(self, name: str) -> int | None:
        self.log.append(("size", name))
        return self.archive.size(name)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        self.log.append(("list", prefix))
        return self.archive.list(prefix, after)

    def folders(self) -> Sequence[str]:
        return self.archive.folders()

    def stored_at(self, name: str) -> int | None:
        return self.archive.stored_at(name)

    def now(self) -> int:
        return self.archive.now()

    def delete(self, name: str) -> None:
        self.archive.delete(name)

    def erase(self, name: str) -> bool:
        self.log.append(("erase", name))
        return self.archive.erase(name)
