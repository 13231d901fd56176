# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data that needs no mail server: histories in a Backup Path, and the peer's JSON files. Nothing here is measured."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.backup.writer import Writer
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import (
    ACCOUNT_ITEM,
    SERVER,
    Entry,
    ItemState,
)

from . import main

DOMAIN = "bench.example"
INBOX = "2"
YEAR_START = 1_735_689_600_000
DAY = 86_400_000
YEAR = 365 * DAY
COMMIT_EVERY = 250_000
"""Transactions to a commit while a history is written."""


def identifier(text: str) -> str:
    """Return a UUID-shaped id made of a name, the same in every run."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def account(number: int) -> Entry:
    name = f"user{number}@{DOMAIN}"
    return Entry(identifier(name), kinds.ACCOUNT, name, {"displayName": (f"User {number}",)})


def message(owner: int, index: int) -> bytes:
    """Return a small message unlike any other."""
    return (
        f"From: sender{index % 97}@{DOMAIN}\r\nTo: user{owner}@{DOMAIN}\r\nSubject: Message {index}\r\n"
        f"Message-ID: <{identifier(f'{owner} {index}')}@{DOMAIN}>\r\n\r\nThis is message {index}.\r\n"
    ).encode()


def state(owner: int, index: int, flags: str = "", digest: str = "") -> ItemState:
    """Return a message's metadata as a scan records it."""
    digest = digest or hashlib.sha256(b"%d %d" % (owner, index)).hexdigest()
    attrs = {"subject": f"Message {index} of many", "sender": f"sender{index % 97}@{DOMAIN}"}
    date, size = YEAR_START + index * 1000, 4000 + index % 1000
    return ItemState(
        str(index), kinds.MESSAGE, INBOX, flags=flags, date=date, size=size, digest=digest, attrs=attrs
    )


def write_server(writer: Writer, accounts: int) -> None:
    """Record the domain and the accounts."""
    writer.append(SERVER, identifier(DOMAIN), kinds.DOMAIN, Entry(identifier(DOMAIN), kinds.DOMAIN, DOMAIN), YEAR_START)
    for number in range(accounts):
        entry = account(number)
        writer.append(entry.entry_id, ACCOUNT_ITEM, kinds.ACCOUNT, entry, YEAR_START)
        writer.append(entry.entry_id, "1", kinds.FOLDER, ItemState("1", kinds.FOLDER), YEAR_START)
        inbox = ItemState(INBOX, kinds.FOLDER, "1", "Inbox")
        writer.append(entry.entry_id, INBOX, kinds.FOLDER, inbox, YEAR_START)


def history(path: str, transactions: str, accounts: str) -> Mapping[str, Any]:
    """Write a Backup Path of a year's transactions without mail: half new messages, the rest flags and deletions.

    A tenth of all lies in the first account, the rest is spread evenly.
    """
    total, owners = int(transactions), int(accounts)
    repository = Repository.create(path, identifier("server"))
    chance = random.Random(1)
    largest = total // 10
    with repository.writer() as writer:
        write_server(writer, owners)
        written = 0
        for owner in range(owners):
            scope = account(owner).entry_id
            share = largest if owner == 0 else (total - largest) // max(1, owners - 1)
            for number in range(share):
                at = YEAR_START + number * YEAR // share
                index = number if number < 100 or chance.random() < 0.5 else chance.randrange(number // 2)
                new = index == number
                gone = not new and chance.random() < 0.4
                photograph = None if gone else state(owner, index, "" if new else "f")
                writer.append(scope, str(index + 257), kinds.MESSAGE, photograph, at)
                written += 1
                if written % COMMIT_EVERY == 0:
                    writer.commit()
        writer.commit()
    repository.close()
    return {"transactions": written}


def large_account(path: str, items: str) -> Mapping[str, Any]:
    """Write a Backup Path of one account with many messages, each with its content."""
    repository = Repository.create(path, identifier("server"))
    with repository.writer() as writer:
        write_server(writer, 1)
        scope = account(0).entry_id
        for index in range(int(items)):
            content = message(0, index)
            photograph = state(0, index + 257, digest=writer.put_blob(content))._replace(size=len(content))
            writer.append(scope, str(index + 257), kinds.MESSAGE, photograph, YEAR_START + index)
            if index % 50_000 == 0:
                writer.commit()
        writer.commit()
    repository.close()
    return {}


def json_files(count: str, target: str) -> Mapping[str, Any]:
    """Write one JSON file per item, <account>/<xx>/<item>: what a backup of small files has to fetch."""
    for number in range(int(count)):
        owner, index = divmod(number, 10_000)
        folder = Path(target) / account(owner).entry_id / f"{index % 256:02x}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.json").write_text(json.dumps(state(owner, index).to_json()), encoding="utf-8")
    return {}


if __name__ == "__main__":
    main(history, large_account, json_files)
