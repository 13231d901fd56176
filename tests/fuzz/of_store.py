# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies in the embedded store: its database, its redo log, its notes, its blobs; and what a mail server logs."""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded.replay import replay
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.log_search import LogSearch, Wanted
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState

from . import mutate, seeds
from .harness import SCRATCH, Call, Target

_ACCOUNT: Final = "a"
_MESSAGE: Final = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)


@functools.cache
def whole() -> Path:
    """Return a directory with a store, and in copy/ what it was before its last transactions."""
    root = Path(tempfile.mkdtemp(prefix="restante-fuzz-store-", dir=SCRATCH))
    with contextlib.closing(EmbeddedStore.create(str(root / "store"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry(_ACCOUNT, kinds.ACCOUNT, "anna@example.com", {"displayName": ("Anna",)}))
    shutil.copytree(root / "store", root / "copy")
    with contextlib.closing(EmbeddedStore.open(str(root / "store"))) as store:
        store.create_entry(Entry("e", kinds.DOMAIN, "example.org"), 5)
        store.write_items(
            _ACCOUNT,
            [
                NewItem("1", _MESSAGE, seeds.MAIL),
                NewItem("2", ItemState("", kinds.FOLDER, "1", "Folder")),
                NewItem("3", _MESSAGE, b"x" * 900),
            ],
            "import",
        )
        store.map_imported(_ACCOUNT, "import", [("9", "2")])
        store.update_entry(Entry(_ACCOUNT, kinds.ACCOUNT, "anna@example.com", {"displayName": ("Anne",)}))
        store.delete_items(_ACCOUNT, ["257"])
    shutil.rmtree(root / "copy" / "redolog")
    for place in ("store", "copy"):
        database = sqlite3.connect(root / place / "store.sqlite")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
        database.close()
    return root


def _look(path: Path) -> None:
    """Ask a store for all that is in it, and write to it."""
    with contextlib.closing(EmbeddedStore.open(str(path))) as store:
        for kind in kinds.ENTRY_KINDS:
            list(store.entries(kind))
        store.find_entry(kinds.ACCOUNT, "anna@example.com")
        store.volumes()
        store.last_transaction()
        for account in dict(store.tokens()):
            changes = store.changes(account)
            for item in changes.items:
                moment.iso(item.date)
                if item.digest:
                    with contextlib.suppress(RestanteError):
                        store.read_blob(account, item.item_id)
            list(store.folders(account))
            list(store.imported(account, "import"))
        store.write_items(_ACCOUNT, [NewItem("", _MESSAGE, b"new")], "import")
        store.update_item(_ACCOUNT, ItemState("2", kinds.FOLDER, "1", "Inbox", attrs={"view": "message"}))


def _database(scratch: Path) -> Call:
    def read(data: bytes) -> None:
        root = scratch / "store"
        shutil.copytree(whole() / "store", root, ignore=shutil.ignore_patterns("redolog", "store.sqlite*"))
        (root / "store.sqlite").write_bytes(data)
        try:
            _look(root)
        finally:
            shutil.rmtree(root)

    return read


def _of_database(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    if chance.random() < 0.5:
        return mutate.octets(chance, data, _seeds)

    def statement(database: sqlite3.Connection) -> str:
        table = mutate.table(chance, database)
        return chance.choice(
            (
                f"DROP TABLE {table}",
                f"DELETE FROM {table}",
                f"ALTER TABLE {table} ADD COLUMN more",
                f"ALTER TABLE {table} RENAME TO other",
                f"PRAGMA user_version = {chance.choice((0, 1, 3, 99))}",
            )
        )

    return mutate.database(chance, data, statement)


def _redo(scratch: Path) -> Call:
    def read(data: bytes) -> None:
        copy, log = scratch / "copy", scratch / "log"
        shutil.copytree(whole() / "copy", copy)
        log.mkdir()
        (log / "redo.log").write_bytes(data)
        try:
            with contextlib.closing(EmbeddedStore.open(str(copy))) as store:
                replay(store, str(log))
        finally:
            shutil.rmtree(copy)
            shutil.rmtree(log)

    return read


def _of_redo(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Change a log; mostly with checksums that are right."""
    if chance.random() < 0.3:
        return mutate.octets(chance, data, _seeds)
    lines = data.splitlines()
    at = chance.randrange(len(lines))
    text = mutate.values(chance, lines[at][9:], [line[9:] for line in lines]).replace(b"\n", b"")
    lines[at] = b"%08x %s" % (zlib.crc32(text), text)
    return b"\n".join(lines) + b"\n"


def _noted(scratch: Path) -> Call:
    """A note of what was being written was altered: nothing but such files may be removed."""
    root, note = scratch / "store", scratch / "store" / "incoming" / "note"
    shutil.copytree(whole() / "store", root)
    note.parent.mkdir(exist_ok=True)
    outside = root / "volumes" / "keep-0.msg"
    outside.write_bytes(b"")
    before = {str(path) for path in (root / "volumes").rglob("*")}

    def read(data: bytes) -> None:
        note.write_bytes(data)
        with contextlib.closing(EmbeddedStore.open(str(root))) as store:
            store.write_items(_ACCOUNT, [NewItem("1", _MESSAGE, b"looks at the notes first")], "import of the note")
        assert before <= {str(path) for path in (root / "volumes").rglob("*")}

    return read


def _blob(scratch: Path) -> Call:
    """The file of a blob was altered."""
    root = scratch / "store"
    shutil.copytree(whole() / "store", root)
    with contextlib.closing(EmbeddedStore.open(str(root))) as store:
        item = next(one.item_id for one in store.changes(_ACCOUNT).items if one.digest)
    file = next(path for path in (root / "volumes").rglob("*.msg"))

    def read(data: bytes) -> None:
        file.write_bytes(data)
        with contextlib.closing(EmbeddedStore.open(str(root))) as store:
            list(store.read_blobs(_ACCOUNT, [item]))
            store.read_blob(_ACCOUNT, item)

    return read


# -- logs ----------------------------------------------------------------------------------------------------------


_CONTEXT: Final = b"[name=ann@example.com;mid=7;ip=10.0.0.1;ua=a;;b;]"
LOG: Final = b"".join(
    b"2025-10-15 10:00:0%d,123 INFO  [qtp123-45] %b %b - %b\n" % (number, _CONTEXT, logger, message)
    for number, (logger, message) in enumerate(
        (
            (
                b"mailop",
                b"Adding Message: id=339, Message-ID=<1@example.com>, parentId=-1, folderId=2, folderName=Inbox.",
            ),
            (b"mailop", b"moving Message (id=339) to Folder Trash (id=3)"),
            (b"mailop", b"moving Message (id=339) to Folder Trash (id=3).  Affected message ids: 339,340."),
            (b"mailbox", b"Emptying 9 items from /Trash, removeSubfolders=true."),
            (b"lmtp", b"Delivering message: size=840 bytes, nrcpts=1, sender=bob@example.com, msgid=<1@example.com>"),
            (b"mailop", b"Deleting Folder a (id=300)."),
            (b"lmtp", b"rejecting message from=a@b,to=c@d: no"),
        )
    )
)


def _searching(ending: str) -> Callable[[Path], Call]:
    def begin(scratch: Path) -> Call:
        path = scratch / f"mailbox.log{ending}"

        def read(data: bytes) -> None:
            path.write_bytes(data)
            for wanted in (Wanted(), Wanted(item_id="339"), Wanted(folder="Trash", sender="b", start=0, end=2**61)):
                with contextlib.closing(
                    LogSearch(str(scratch / "mailbox.log"), wanted, moment.zone("Europe/Rome"))
                ) as search:
                    for found in search.found():
                        found.to_json()

        return read

    return begin


TARGETS: Final = (
    Target(
        "database of the embedded store",
        lambda: [(whole() / "store" / "store.sqlite").read_bytes()],
        _database,
        _of_database,
    ),
    Target("redo log", lambda: [(whole() / "store" / "redolog" / "redo.log").read_bytes()], _redo, _of_redo),
    Target("note of a batch", lambda: [b"0123456789abcdef 1 1 0 2".ljust(100)], _noted),
    Target(
        "file of a blob",
        lambda: mutate.gzip_bombs() and [mutate.gzipped(seeds.MAIL), seeds.MAIL],
        _blob,
        lambda chance, data, all_: (
            mutate.octets(chance, data, all_) if chance.random() < 0.97 else chance.choice(mutate.gzip_bombs())
        ),
    ),
    Target("mailbox.log", lambda: [LOG], _searching(""), mutate.few_lines, seconds=20),
    Target(
        "mailbox.log.gz",
        lambda: mutate.gzip_bombs() and [mutate.gzipped(LOG)],
        _searching(".1.gz"),
        mutate.packed(
            mutate.gzipped,
            lambda data: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data),
            mutate.few_lines,
            mutate.gzip_bombs,
        ),
        seconds=60,
    ),
)
