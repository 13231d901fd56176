# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest: what a mail store holds, in words that do not depend on any id.

It is read from the live store alone and never from the backup, so that two manifests, of the node that was lost and
of the node that was recovered, are a proof independent of the engine between them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState


class Line(NamedTuple):
    """One item: equal on two stores when it is the same to its owner."""

    account: str
    kind: str
    path: str
    """Names of the folders it lies in, from the root, as JSON: a name may hold any character."""
    name: str
    flags: str
    tags: str
    """Sorted tag names, as JSON."""
    date: int
    sha256: str
    """Of the content as the store gives it; empty for kinds without content."""


class Hashes:
    """Remembers the SHA-256 of contents read before, so that a manifest after each change stays cheap.

    The store's digest of an item is only the key to what was read and hashed here.
    """

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self._known: dict[str, str] = {}

    def of(self, account_id: str, item: ItemState) -> str:
        """Return the SHA-256 of an item's content, reading it the first time."""
        if item.kind not in kinds.WITH_CONTENT or not item.digest:
            return ""
        if item.digest not in self._known:
            self._known[item.digest] = hashlib.sha256(self._store.read_blob(account_id, item.item_id)).hexdigest()
        return self._known[item.digest]


def lines(store: MailStore, hashes: Hashes | None = None) -> Iterator[Line]:
    """Yield a line for each item of each account of a store; every content is read where no hashes are handed in."""
    for account in store.entries(kinds.ACCOUNT):
        items = list(store.changes(account.entry_id).items)
        by_id = {item.item_id: item for item in items}
        tag_names = {item.item_id: item.name for item in items if item.kind == kinds.TAG}
        reader = hashes or Hashes(store)
        for item in items:
            yield Line(
                account.name, item.kind, json.dumps(_path(item, by_id)), item.name, item.flags,
                json.dumps(sorted(tag_names[tag] for tag in item.tags)), item.date if item.kind != kinds.FOLDER else 0,
                reader.of(account.entry_id, item),
            )


def _path(item: ItemState, by_id: dict[str, ItemState]) -> list[str]:
    names: list[str] = []
    parent = by_id.get(item.folder)
    while parent is not None and parent.folder:
        names.append(parent.name)
        parent = by_id.get(parent.folder)
    return names[::-1]


def write(path: Path, content: Counter[Line]) -> None:
    """Write a manifest, whole or not at all."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps([[*line, count] for line, count in sorted(content.items())]), encoding="utf-8")
    temporary.replace(path)


def read(path: Path) -> Counter[Line]:
    """Read what write wrote."""
    return Counter({Line(*record[:-1]): record[-1] for record in json.loads(path.read_text(encoding="utf-8"))})


def by_kind(content: Counter[Line]) -> dict[str, int]:
    """Count the items of a manifest by kind."""
    counts: Counter[str] = Counter()
    for line, count in content.items():
        counts[line.kind] += count
    return dict(sorted(counts.items()))
