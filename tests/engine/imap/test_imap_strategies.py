# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup of one kind of mail server restored to another one, and back: what is there is proven item by item."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from strategies_kit import Open, proven, restored, scanned

from tests.servers import openldap
from tests.servers.dovecot import Dovecot, missing
from tests.servers.dovecot import dovecot as dovecot_server
from tests.servers.mail_client import look
from tests.servers.needed import needed

MAIL_AND_DIRECTORY = frozenset((
    kinds.FOLDER, kinds.TAG, kinds.MESSAGE, kinds.FILTER_SET, *kinds.ENTRY_KINDS,
))


class Place(NamedTuple):
    """A Dovecot that knows its accounts from a directory in LDAP, with Carbonio's names."""

    server: Dovecot
    ldap: openldap.OpenLdap
    mirror: Path

    def __call__(self) -> ImapStore:
        """Open it."""
        return ImapStore(str(self.mirror), self.server.settings(**self.ldap.settings()))


@contextlib.contextmanager
def running(path: Path) -> Iterator[Place]:
    """Run an empty one for as long as the with statement lasts."""
    needed("Dovecot", missing())
    needed("OpenLDAP", openldap.missing())
    with openldap.openldap() as ldap, dovecot_server(ldap=ldap) as server:
        yield Place(server, ldap, path / "mirror")


@pytest.fixture
def dovecot(tmp_path: Path) -> Iterator[Place]:
    with running(tmp_path / "dovecot") as place:
        yield place


def embedded(path: Path) -> Open:
    """Make an empty embedded store; return what opens it."""
    EmbeddedStore.create(str(path)).close()
    return lambda: EmbeddedStore.open(str(path))


def test_a_backup_of_the_embedded_store_comes_to_dovecot_and_back(tmp_path: Path, dovecot: Place) -> None:
    first = embedded(tmp_path / "a")
    with contextlib.closing(first()) as store:
        sample.fill(store, messages=150)
    scanned(first, tmp_path / "backup-a")
    report = restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    assert {one.kind for one in report.unrestored}.isdisjoint(MAIL_AND_DIRECTORY)
    assert report.not_held[kinds.MESSAGE, "flag s"] and not report.not_held[kinds.FOLDER, "attribute color"]
    proof = proven(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    assert proof.passed, proof.differences[:5]
    assert proof.verified[kinds.MESSAGE] > 150 and proof.not_held[kinds.CONTACT]
    assert not restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d").changed

    assert not scanned(dovecot, tmp_path / "backup-d").failures
    last = embedded(tmp_path / "b")
    assert not restored(tmp_path / "backup-d", last, tmp_path / "backup-b").unrestored
    proof = proven(tmp_path / "backup-d", last, tmp_path / "backup-b")
    assert proof.passed, proof.differences[:5]
    assert not scanned(dovecot, tmp_path / "backup-d").new_items, "nothing has changed"


def test_a_lost_mail_server_is_restored_to_an_empty_one_of_its_kind(tmp_path: Path, dovecot: Place) -> None:
    first = embedded(tmp_path / "a")
    with contextlib.closing(first()) as store:
        sample.fill(store, messages=60)
    scanned(first, tmp_path / "backup-a")
    restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    scanned(dovecot, tmp_path / "backup-d")
    with running(tmp_path / "other") as other:
        report = restored(tmp_path / "backup-d", other, tmp_path / "backup-o")
        assert not report.unrestored and not report.not_held
        proof = proven(tmp_path / "backup-d", other, tmp_path / "backup-o")
        assert proof.passed, proof.differences[:5]
        for number, address in enumerate(sample.ACCOUNTS):  # as each of them always did
            assert look(other.server, address, f"secret {number}") == look(dovecot.server, address, f"secret {number}")
        with pytest.raises(imaplib.IMAP4.error):
            look(other.server, sample.ACCOUNTS[0], "another")


def test_the_past_of_a_mailbox_is_in_its_backup(tmp_path: Path, dovecot: Place) -> None:
    """What was read, moved and deleted since is as it was."""
    first = embedded(tmp_path / "a")
    with contextlib.closing(first()) as store:
        sample.fill(store, messages=20)
    scanned(first, tmp_path / "backup-a")
    restored(tmp_path / "backup-a", dovecot, tmp_path / "backup-d")
    scanned(dovecot, tmp_path / "backup-d")
    then = moment.now()
    with contextlib.closing(dovecot()) as store:
        account = next(entry.entry_id for entry in store.entries(kinds.ACCOUNT) if entry.name.startswith("ann@"))
        states = [one for one in store.changes(account).items if one.kind == kinds.MESSAGE]
        gone, moved = states[0], states[1]
        store.delete_items(account, [gone.item_id])
        store.update_item(account, moved._replace(folder="3", flags="f"))
        arrived = NewItem("", ItemState("", kinds.MESSAGE, "2"), b"Subject: new\r\n\r\nnew\r\n")
        new, = store.write_items(account, [arrived])
    scanned(dovecot, tmp_path / "backup-d")
    with contextlib.closing(Repository.open(str(tmp_path / "backup-d"))) as backup:
        before = {one.item_id: one.state for one in backup.states(account, then)}
        after = {one.item_id: one.state for one in backup.states(account)}
    assert before[gone.item_id] is not None and gone.item_id not in after
    assert (before[moved.item_id].folder, after[moved.item_id].folder) == (moved.folder, "3")  # type: ignore[union-attr]
    assert new.item_id in after and new.item_id not in before
