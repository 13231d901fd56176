# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the users of a node do to its mail store, and what that holds; run on the node as its service user.

    python -m tests.fleet.on_node install | fill <name> <messages> | items | delete <account> <count> | remove <account>
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import uuid
from collections import Counter
from email.utils import formatdate

from ansible_collections.restante.carbonio.plugins.module_utils.exchange import compose, sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore, NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState

from tools.drill import manifest

STORE = "/var/lib/restante/mailstore"
_INBOX, _FIRST = "2", 1_700_000_000_000


def install() -> object:
    """Make a mail store as it is after its installation, without users."""
    os.makedirs(STORE, mode=0o700, exist_ok=True)
    EmbeddedStore.create(STORE).close()
    return None


def fill(name: str, messages: str) -> object:
    """Make a mail store with users of the node's own, and those of the sample, which every node has."""
    os.makedirs(STORE, mode=0o700, exist_ok=True)
    with contextlib.closing(EmbeddedStore.create(STORE)) as store:
        sample.fill(store, seed=sum(name.encode()), messages=int(messages))
        store.create_entry(Entry(str(uuid.uuid4()), kinds.DOMAIN, name, {}))
        own = store.create_entry(Entry(str(uuid.uuid4()), kinds.ACCOUNT, f"ina@{name}", {"displayName": ("Ina",)}))
        chance = random.Random(7)
        store.write_items(own.entry_id, [
            NewItem(str(number), ItemState("", kinds.MESSAGE, _INBOX, date=_FIRST + number), compose.message(
                chance, number, "someone@elsewhere.example", own.name, formatdate(_FIRST // 1000),
            )) for number in range(30)
        ])
    return None


def items() -> object:
    """Return how often each item is there, by all that its owner sees of it."""
    with contextlib.closing(EmbeddedStore.open(STORE)) as store:
        return [[*line, count] for line, count in sorted(Counter(manifest.lines(store)).items())]


def delete(account: str, count: str) -> object:
    """Delete messages of an account; return their ids."""
    with contextlib.closing(EmbeddedStore.open(STORE)) as store:
        account_id = _account(store, account).entry_id
        messages = [item.item_id for item in store.changes(account_id).items if item.kind == kinds.MESSAGE]
        store.delete_items(account_id, messages[:int(count)])
        return messages[:int(count)]


def remove(account: str) -> object:
    """Delete an account."""
    with contextlib.closing(EmbeddedStore.open(STORE)) as store:
        store.delete_entry(kinds.ACCOUNT, _account(store, account).entry_id)
    return None


def _account(store: MailStore, name: str) -> Entry:
    found = store.find_entry(kinds.ACCOUNT, name)
    assert found is not None, f"there is no {name}"
    return found


if __name__ == "__main__":
    does = {"install": install, "fill": fill, "items": items, "delete": delete, "remove": remove}
    print(json.dumps(does[sys.argv[1]](*sys.argv[2:])))
