# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A standby whose mail server speaks IMAP: through the port, as any other."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import SILENT
from ansible_collections.restante.carbonio.plugins.module_utils.restore.sides import BackupSide, StoreSide
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.standing_by import catch_up
from ansible_collections.restante.carbonio.plugins.module_utils.standby.follower import Follower

from tests.conformance.imap_servers import DOVECOTS
from tests.engine.restore.restore_kit import INBOX, add, fill, mail
from tests.engine.standby.standby_kit import Pair
from tests.servers import dovecot as dovecot_server
from tests.servers import openldap
from tests.servers.needed import needed

ANNA = "a-anna"


@pytest.fixture
def dovecot(tmp_path: Path) -> Iterator[Any]:
    """An empty Dovecot."""
    path = tmp_path / "dovecot"
    path.mkdir()
    store = DOVECOTS.create(path)
    yield store
    store.close()
    DOVECOTS.stop(path)


@pytest.fixture(scope="module", autouse=True)
def _servers() -> Iterator[None]:
    yield
    DOVECOTS.end()


def folders_of_mail(pair: Pair, store: Any, account: str) -> Counter[Any]:
    """Where the mail of an account is, and how it is flagged and tagged, as far as IMAP can hold that."""
    side = StoreSide(store, BackupSide(pair.backup, None))
    return Counter(
        (side.path(account, state.folder), "u" in state.flags, "f" in state.flags,
         tuple(sorted(side.tag(account, tag) for tag in state.tags)), state.date // 1000,
         store.read_blob(account, state.item_id).partition(b"\r\n")[0])
        for state in store.changes(account).items if state.kind == kinds.MESSAGE
    )


def assert_equal(pair: Pair, store: Any) -> None:
    primary = {entry.name: entry.entry_id for entry in pair.primary.entries(kinds.ACCOUNT)}
    here = {entry.name: entry.entry_id for entry in store.entries(kinds.ACCOUNT)}
    assert set(primary) == set(here)
    for name, account in primary.items():
        assert folders_of_mail(pair, store, here[name]) == folders_of_mail(pair, pair.primary, account)


def test_dovecot_follows_an_embedded_store(pair: Pair, dovecot: Any) -> None:
    pair.primary.delete_entry(kinds.DOMAIN, "d-1")
    fill(pair.primary)
    pair.primary.delete_entry(kinds.ACCOUNT, 'a-o\'hara "x"')
    pair.scan()
    with pair.follower(store=dovecot) as follower:
        follower.round()
        assert_equal(pair, dovecot)
        assert not pair.failures(), [one.reason for one in pair.failures()]
        messages = [one for one in pair.primary.changes(ANNA).items if one.kind == kinds.MESSAGE]
        pair.primary.update_item(ANNA, messages[0]._replace(folder="3", flags="f"))
        pair.primary.delete_items(ANNA, [messages[1].item_id])
        work = next(one for one in pair.primary.folders(ANNA) if one.name == "work")
        pair.primary.update_item(ANNA, work._replace(name="moved", folder="1"))
        new = add(pair.primary, ANNA, kinds.FOLDER, INBOX, "work")
        mail(pair.primary, ANNA, new, 60)
        pair.primary.delete_entry(kinds.ACCOUNT, "a-galsync")
        pair.scan()
        report = follower.round()
        assert not pair.failures(), [one.reason for one in pair.failures()]
        assert_equal(pair, dovecot)
        assert report.deleted["message"] == report.deleted["account"] == 1 and report.created["message"] == 1
        assert not pair.failures() and not pair.conflicts()
        assert not follower.round().changed
        # What somebody does there is as at the primary again.
        mine = [one for one in dovecot.changes(ANNA).items if one.kind == kinds.MESSAGE]
        dovecot.delete_items(ANNA, [mine[0].item_id])
        dovecot.update_item(ANNA, mine[1]._replace(flags="f"))
        follower.round()
        assert_equal(pair, dovecot)


@contextlib.contextmanager
def over_ldap(
    pair: Pair, tmp_path: Path, look_seconds: float = 0, **dovecot: str
) -> Iterator[tuple[ImapStore, Follower]]:
    """A standby that has followed once, over a Dovecot whose accounts are in OpenLDAP."""
    needed("Dovecot", dovecot_server.missing())
    needed("OpenLDAP", openldap.missing())
    pair.primary.delete_entry(kinds.DOMAIN, "d-1")
    fill(pair.primary)
    pair.primary.delete_entry(kinds.ACCOUNT, 'a-o\'hara "x"')
    with openldap.openldap() as ldap, dovecot_server.dovecot(
        ldap=ldap, in_memory=True, **dovecot
    ) as server, contextlib.closing(
        ImapStore(str(tmp_path / "mirror"), server.settings(**ldap.settings()))
    ) as store, pair.follower(store=store, look_seconds=look_seconds) as follower:
        pair.scan()
        follower.round()
        yield store, follower


def test_renamed_accounts_keep_their_mailboxes_where_these_are_found_by_what_stays(pair: Pair, tmp_path: Path) -> None:
    with over_ldap(pair, tmp_path, home="%{ldap:zimbraId}") as (store, follower):
        assert_equal(pair, store)
        before = {account: {one.item_id for one in store.changes(account).items} for account in (ANNA, "a-bruno")}
        anna, bruno = (pair.primary.find_entry(kinds.ACCOUNT, account) for account in before)
        pair.primary.reshape_entry(anna._replace(name="anna.new@example.com", aliases=("one@example.com",)))
        pair.primary.reshape_entry(bruno._replace(name="bruno.new@example.com", aliases=(anna.name,)))
        pair.scan()
        report = follower.round()
        assert not pair.failures(), [one.reason for one in pair.failures()]
        assert not report.created and not report.deleted
        assert_equal(pair, store)
        # A share names the address that somebody had: the next look puts that right.
        assert [one.kind for one in pair.conflicts()] == [kinds.FOLDER] and report.updated[kinds.FOLDER] == 1
        assert {account: {one.item_id for one in store.changes(account).items} for account in before} == before
        assert store.find_entry(kinds.ACCOUNT, ANNA).name == "anna.new@example.com"
        assert store.find_entry(kinds.ACCOUNT, "a-bruno").aliases == (anna.name,)
        assert not follower.round().changed


def test_an_account_whose_mailbox_would_stay_behind_is_not_renamed(pair: Pair, tmp_path: Path) -> None:
    with over_ldap(pair, tmp_path) as (store, follower):
        anna = pair.primary.find_entry(kinds.ACCOUNT, ANNA)
        there = folders_of_mail(pair, store, ANNA)
        pair.primary.reshape_entry(anna._replace(name="renamed@example.com"))
        pair.scan()
        follower.round()
        failure, = pair.failures()
        assert "finds mailboxes by the address" in failure.reason
        assert store.find_entry(kinds.ACCOUNT, ANNA).name == anna.name
        assert folders_of_mail(pair, store, ANNA) == there


def exchanged(store: Any, one: str, other: str) -> None:
    """Two accounts of a primary exchange their addresses."""
    first, second = (store.find_entry(kinds.ACCOUNT, account) for account in (one, other))
    store.reshape_entry(first._replace(name="between@example.com"))
    store.reshape_entry(second._replace(name=first.name))
    store.reshape_entry(first._replace(name=second.name))


def grants(store: Any, account: str) -> dict[str, Any]:
    """Whom the folders of an account are shared with, and how."""
    return {
        folder.name: sorted((one["grantee_id"], one["rights"]) for one in folder.attrs["grants"])
        for folder in store.folders(account) if folder.attrs.get("grants")
    }


def test_accounts_that_share_folders_exchange_their_addresses(pair: Pair, tmp_path: Path) -> None:
    with over_ldap(pair, tmp_path, 3600, home="%{ldap:zimbraId}") as (store, follower):
        # One shares a folder with the other, and so does the other, and a third one with both.
        add(pair.primary, "a-bruno", kinds.FOLDER, INBOX, "mine", attrs={"grants": [shared_with(ANNA, "r")]})
        add(pair.primary, "a-galsync", kinds.FOLDER, INBOX, "theirs", attrs={
            "grants": [shared_with(ANNA, "rw"), shared_with("a-bruno", "r")],
        })
        pair.scan()
        follower.round()
        before = {account: grants(store, account) for account in (ANNA, "a-bruno", "a-galsync")}
        assert before["a-galsync"] == {"theirs": [(ANNA, "rw"), ("a-bruno", "r")]} and all(before.values())
        exchanged(pair.primary, ANNA, "a-bruno")
        pair.scan()
        catch_up(follower, SILENT)
        assert not pair.failures(), [one.reason for one in pair.failures()]
        assert_equal(pair, store)
        assert {account: grants(store, account) for account in before} == before
        assert not follower.round().changed


def test_a_domain_is_renamed_with_all_its_accounts(pair: Pair, tmp_path: Path) -> None:
    with over_ldap(pair, tmp_path, home="%{ldap:zimbraId}") as (store, follower):
        before = {account: {one.item_id for one in store.changes(account).items} for account in (ANNA, "a-bruno")}
        shared = grants(store, ANNA)
        old, new = "@example.com", "@new.example.net"
        domain = pair.primary.find_entry(kinds.DOMAIN, old[1:])
        pair.primary.reshape_entry(domain._replace(name=new[1:]))
        for kind in (kinds.DISTRIBUTION_LIST, kinds.ACCOUNT):
            for entry in list(pair.primary.entries(kind)):
                pair.primary.reshape_entry(entry._replace(
                    name=entry.name.replace(old, new), aliases=tuple(one.replace(old, new) for one in entry.aliases),
                    members=tuple(one.replace(old, new) for one in entry.members),
                ))
        pair.scan()
        catch_up(follower, SILENT)
        assert not pair.failures(), [one.reason for one in pair.failures()]
        assert_equal(pair, store)
        assert {account: {one.item_id for one in store.changes(account).items} for account in before} == before
        assert grants(store, ANNA) == shared
        assert store.find_entry(kinds.DOMAIN, new[1:]).entry_id == domain.entry_id
        assert store.find_entry(kinds.DOMAIN, old[1:]) is None
        group, = store.entries(kinds.DISTRIBUTION_LIST)
        assert group.name.endswith(new) and all(member.endswith(new) for member in group.members)


def shared_with(account: str, rights: str) -> dict[str, str]:
    """A share, as the primary has it."""
    return {"grantee_id": account, "grantee_type": "usr", "grantee_name": "", "rights": rights}
