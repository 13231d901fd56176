# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail as files and in an embedded mail store. Nothing here is measured."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState

from . import MAILBOXES, main
from .histories import DOMAIN, INBOX, YEAR_START, account, identifier, message

BATCH = 256


def messages_of(store: EmbeddedStore) -> Iterator[bytes]:
    """Yield the content of every message of a store."""
    for entry in store.entries(kinds.ACCOUNT):
        for state in store.changes(entry.entry_id).items:
            if state.kind == kinds.MESSAGE:
                yield store.read_blob(entry.entry_id, state.item_id)


def mail(corpus: str, count: str, target: str) -> Mapping[str, Any]:
    """Write a tree <account>/<number>.eml of messages, no two alike: those of a corpus over and over, changed.

    Their lines end as those of mail do, with CR LF.

    :param corpus: a folder of mail; empty: what the project generates.
    """
    wanted = int(count)
    with tempfile.TemporaryDirectory(dir=Path(target).parent) as scratch:
        store = EmbeddedStore.create(f"{scratch}/store")
        if corpus:
            sample.fill_from_folder(store, corpus, seed=1)
        else:
            sample.fill(store, seed=1, messages=min(wanted, 2000))
        originals = list(messages_of(store))
        store.close()
    size = 0
    for number in range(wanted):
        header = f"X-Copy: {number}\r\nX-Copied-On: {identifier(str(number))}\r\n".encode()
        content = header + originals[number % len(originals)].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        folder = Path(target) / account(number * MAILBOXES // wanted).name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}.eml").write_bytes(content)
        size += len(content)
    return {"messages": wanted, "bytes": size, "originals": len(originals)}


def store_of_mail(tree: str, path: str) -> Mapping[str, Any]:
    """Fill an embedded store with the messages of such a tree."""
    store = EmbeddedStore.create(path)
    store.create_entry(Entry(identifier(DOMAIN), kinds.DOMAIN, DOMAIN))
    for number in range(MAILBOXES):
        entry = store.create_entry(account(number))
        files = sorted((Path(tree) / entry.name).glob("*.eml"))
        for start in range(0, len(files), BATCH):
            batch = []
            for file in files[start:start + BATCH]:
                date = YEAR_START + int(file.stem) * 1000
                batch.append(NewItem(file.stem, ItemState("", kinds.MESSAGE, INBOX, date=date), file.read_bytes()))
            store.write_items(entry.entry_id, batch)
    store.close()
    return {}


def store_of_accounts(count: str, messages: str, path: str) -> Mapping[str, Any]:
    """Make an embedded store of many accounts with some messages each."""
    store = EmbeddedStore.create(path)
    store.set_redo_log(False)
    store.create_entry(Entry(identifier(DOMAIN), kinds.DOMAIN, DOMAIN))
    for number in range(int(count)):
        entry = store.create_entry(account(number))
        store.write_items(entry.entry_id, [
            NewItem(str(index), ItemState("", kinds.MESSAGE, INBOX, date=YEAR_START + index), message(number, index))
            for index in range(int(messages))
        ])
    store.close()
    return {}


def tree_of_accounts(count: str, messages: str, target: str) -> Mapping[str, Any]:
    """Write the messages of such a store as a tree <account>/<number>.eml."""
    for number in range(int(count)):
        folder = Path(target) / account(number).name
        folder.mkdir(parents=True)
        for index in range(int(messages)):
            (folder / f"{index:06}.eml").write_bytes(message(number, index))
    return {}


def maildirs(tree: str, target: str, owner: str) -> Mapping[str, Any]:
    """Make of such a tree a Maildir <account>/INBOX for each account, with all messages read.

    :param target: the files are linked to it where it is on the same file system.
    :param owner: who may write to the folders.
    """
    for folder in sorted(Path(tree).iterdir()):
        inbox = Path(target) / folder.name / "INBOX"
        for part in ("cur", "new", "tmp"):
            (inbox / part).mkdir(parents=True)
        for file in folder.iterdir():
            _link(file, inbox / "cur" / f"{YEAR_START // 1000 + int(file.stem)}.M{file.stem}.bench:2,S")
        for place in (inbox.parent, inbox, *inbox.iterdir()):
            shutil.chown(place, owner)
    return {}


def _link(file: Path, other: Path) -> None:
    try:
        os.link(file, other)
    except OSError:  # of another file system
        shutil.copy2(file, other)


if __name__ == "__main__":
    main(mail, store_of_mail, store_of_accounts, tree_of_accounts, maildirs)
