# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to mailboxes, and the restore that helps: the scenarios that the documentation begins with."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.undelete import Interval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import accounts, backups, care, items
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

ANN, COPY = "ann@example.com", "copy@example.com"
INBOX, TRASH, DAY = "2", "3", 86_400_000
CONTENTS = [b"Subject: %d\n\nhello" % number for number in range(4)]


class Mailbox:
    """A node with one account that has some mail, and its backup."""

    def __init__(self, root: Path) -> None:
        places = {place: str(root / place) for place in ("backup_path", "cache_path", "state_path", "mailstore_path")}
        settings_file.save(str(root / "restante.json"), Settings(**places, time_zone="UTC"))
        self.node = Node.load(str(root / "restante.json"))
        self.volume = root / "mailstore_path" / "volumes" / "message1"
        with contextlib.closing(EmbeddedStore.create(places["mailstore_path"])) as store:
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
            store.create_entry(Entry("ann", kinds.ACCOUNT, ANN, {"displayName": ("Ann",)}))
            state = ItemState("", kinds.MESSAGE, INBOX, date=1_700_000_000_000)
            self.ids = [one.item_id for one in store.write_items("ann", [NewItem("", state, c) for c in CONTENTS])]
        self.scan()

    def scan(self) -> int:
        """Back up what has changed; return the last moment of the backup."""
        backups.smart_scan(self.node)
        with contextlib.closing(self.node.repository()) as repository:
            span = repository.span()
        assert span is not None
        return span[1]

    def change(self, what: Callable[[EmbeddedStore], object]) -> None:
        """Have something happen in the mail server."""
        store = self.node.store()
        assert isinstance(store, EmbeddedStore)
        with contextlib.closing(store):
            what(store)

    def restore_on_copy(self, date: moment.Moment = moment.LAST) -> None:
        """Restore the account on a new one, as it was at a moment."""
        accounts.restore_on_new_account(self.node, ANN, COPY, options=CopyOptions(date=date))

    def mail(self, address: str = ANN) -> Counter[tuple[str, bytes]]:
        """Return folder and content of the messages in a mailbox."""
        with contextlib.closing(self.node.store()) as store:
            account = store.find_entry(kinds.ACCOUNT, address)
            assert account is not None
            return Counter(
                (one.folder, store.read_blob(account.entry_id, one.item_id))
                for one in store.changes(account.entry_id).items if one.kind == kinds.MESSAGE
            )

    def display_name(self, address: str) -> str:
        """Return the name that an account is shown with."""
        with contextlib.closing(self.node.store()) as store:
            account = store.find_entry(kinds.ACCOUNT, address)
        assert account is not None
        return account.first("displayName")


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


IN_THE_INBOX = Counter((INBOX, content) for content in CONTENTS)


def test_what_was_removed_can_be_restored_until_a_purge_has_taken_it(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-008: within the retention a purge leaves it alone."""
    first, second, *_others = mailbox.ids
    mailbox.change(lambda store: store.delete_items("ann", [first, second]))
    mailbox.scan()
    real, days = moment.now, 0
    monkeypatch.setattr(moment, "now", lambda: real() + days * DAY)
    days = 29
    assert not care.purge(mailbox.node, trust_clock=True)["changed"]
    items.restore_item(mailbox.node, ANN, first)
    assert (INBOX, CONTENTS[0]) in mailbox.mail()
    days = 31
    assert care.purge(mailbox.node, trust_clock=True)["changed"]
    with pytest.raises(NotFound, match=second):
        items.restore_item(mailbox.node, ANN, second)
    assert (INBOX, CONTENTS[1]) not in mailbox.mail()


def test_an_account_on_hold_is_used_and_restored_as_any_other(mailbox: Mailbox) -> None:
    """R-244: and it stays on hold."""
    assert care.set_hold(mailbox.node, [ANN], True)["changed"]
    mailbox.change(lambda store: store.delete_items("ann", mailbox.ids))
    mailbox.scan()
    items.undelete(mailbox.node, ANN, Interval())
    mailbox.restore_on_copy()
    assert mailbox.mail() == mailbox.mail(COPY) == IN_THE_INBOX
    assert {one["name"]: one["held"] for one in care.holds(mailbox.node)} == {ANN: True}


def test_an_emptied_trash_is_undeleted(mailbox: Mailbox) -> None:
    """R-009, R-080."""
    def emptied(store: EmbeddedStore) -> None:
        for one in mailbox.ids:
            state = store.item("ann", one)
            assert state is not None
            store.update_item("ann", state._replace(folder=TRASH))
        mailbox.scan()
        store.delete_items("ann", mailbox.ids)

    mailbox.change(emptied)
    assert not mailbox.mail()
    items.undelete(mailbox.node, ANN, Interval())
    assert mailbox.mail() == IN_THE_INBOX


def test_what_a_bad_disk_made_unreadable_is_whole_on_a_new_account(mailbox: Mailbox) -> None:
    """R-009, R-050."""
    lost = [path for path in mailbox.volume.rglob("*") if path.is_file()][:2]
    for path in lost:
        path.write_bytes(b"")
    with pytest.raises(Damaged):
        mailbox.mail()
    mailbox.restore_on_copy()
    assert mailbox.mail(COPY) == IN_THE_INBOX


def test_a_wrong_undelete_is_undone_on_a_new_account(mailbox: Mailbox) -> None:
    """R-009: what an administrator has put back by mistake is not in the mailbox of the moment before."""
    mailbox.change(lambda store: store.delete_items("ann", mailbox.ids[:3]))
    before = mailbox.scan()
    items.undelete(mailbox.node, ANN, Interval())
    assert mailbox.mail() == IN_THE_INBOX
    mailbox.restore_on_copy(date=before)
    assert mailbox.mail(COPY) == Counter([(INBOX, CONTENTS[3])])


def test_a_compromised_account_is_had_as_it_was_before(mailbox: Mailbox) -> None:
    """R-009: whoever stole the password may have deleted, added and set what they liked."""
    before = mailbox.scan()

    def abused(store: EmbeddedStore) -> None:
        store.delete_items("ann", mailbox.ids)
        store.write_items("ann", [NewItem("", ItemState("", kinds.MESSAGE, INBOX, date=1), b"Subject: spam\n\n")])
        store.update_entry(Entry("ann", kinds.ACCOUNT, ANN, {"displayName": ("Somebody",)}))

    mailbox.change(abused)
    mailbox.scan()
    mailbox.restore_on_copy(date=before)
    assert mailbox.mail(COPY) == IN_THE_INBOX
    assert mailbox.display_name(COPY) == "Ann"
