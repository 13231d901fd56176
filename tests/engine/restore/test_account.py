# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore Account on the embedded store: a deleted account is what it was, under its own id."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.report import RestoreReport
from ansible_collections.restante.carbonio.plugins.module_utils.restore import mailbox
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import map_name, read_import
from ansible_collections.restante.carbonio.plugins.module_utils.restore.repair import ShareApplier
from ansible_collections.restante.carbonio.plugins.module_utils.restore.share_check import Imported, Shares
from copy_kit import COPY, Server
from restore_kit import INBOX, YEAR_2024, add, mail

ANNA, BRUNO = "anna@example.com", "bruno@example.com"


def problems(server: Server, map_file: str = "") -> list[str]:
    """What is broken of the shares; with a map, they are mended first, as share_fix does."""
    with contextlib.closing(server.store()) as store:
        if map_file:
            import_id, rows = read_import(map_file)
            imported = Imported(store, import_id, {row.source_id: row.destination_id for row in rows})
            applier = ShareApplier(store, RestoreReport())
            for one in list(Shares(store, imported).examine()):
                if one.repair is not None:
                    applier.write(one.account.entry_id, one.account.name, one.repair)
        return [f"{found.account} {found.name}" for one in Shares(store).examine() for found in one.findings]


def map_file(server: Server, account_id: str) -> str:
    with contextlib.closing(server.store()) as store:
        return f"{server.backup_path}/{map_name(store.server_id(), account_id)}"


def test_a_deleted_account_comes_back_with_its_id_as_it_was_at_its_deletion(server: Server) -> None:
    """R-071, R-072."""
    then = server.now()
    content, before = server.content(ANNA), server.entry(ANNA)
    with server.changed() as store:
        mail(store, "a-anna", INBOX, 500)
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, {"displayName": ("Other",)}))
    changed, others = server.content(ANNA), server.content(BRUNO)
    server.delete("a-anna")
    with server.changed() as store:
        mail(store, "a-galsync", INBOX, 500)
    assert not server.account(ANNA).unrestored
    after = server.entry("a-anna")
    assert after._replace(attrs={}) == before._replace(attrs={})
    assert after.attrs == {**before.attrs, "displayName": ("Other",)}
    assert server.content(ANNA) == changed and server.content(BRUNO) == others
    server.delete("a-anna")
    assert not server.account("a-anna", date=then).unrestored
    assert server.content(ANNA) == content and server.entry(ANNA).first("displayName") == "anna"


def test_an_account_comes_back_with_the_address_that_it_had_of_whatever_form(server: Server) -> None:
    address = 'o\'hara "x"@example.com'
    with server.changed() as store:
        store.create_entry(Entry("a-odd", kinds.ACCOUNT, address, {}))
    server.delete("a-odd")
    assert not server.account("a-odd").unrestored
    assert server.entry("a-odd").name == address


def test_an_account_comes_back_as_often_as_it_is_deleted(server: Server) -> None:
    """What it was given in its second life comes back with it, and what was gone from it does not."""
    server.delete("a-anna")
    server.account(ANNA)
    with server.changed() as store:
        messages = [one.item_id for one in store.changes("a-anna").items if one.kind == kinds.MESSAGE]
        store.delete_items("a-anna", messages[:5])
        mail(store, "a-anna", INBOX, 500)
    content = server.content(ANNA)
    server.delete("a-anna")
    report = server.account(ANNA)
    assert server.content(ANNA) == content
    assert report.restored[kinds.MESSAGE] == 8
    assert not server.account(ANNA).changed


def test_two_messages_of_the_same_content_both_come_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the old id there is a new mailbox: an item of an old id in it is another one."""
    monkeypatch.setattr(mailbox, "BATCH_ITEMS", 2)
    with server.changed() as store:
        for number in range(30):
            add(store, "a-bruno", kinds.MESSAGE, INBOX, blob=b"Subject: same\r\n\r\n", date=YEAR_2024 + number)
    content = server.content(BRUNO)
    server.delete("a-bruno")
    server.account(BRUNO)
    assert server.content(BRUNO) == content


def test_an_account_comes_back_in_another_domain(server: Server) -> None:
    """R-073."""
    content = server.content(ANNA)
    with server.changed() as store:
        store.create_entry(Entry("d-3", kinds.DOMAIN, "gone.example"))
        given = {"zimbraPrefFromAddress": (ANNA,)}
        store.update_entry(Entry("a-anna", kinds.ACCOUNT, ANNA, given, aliases=("a@gone.example",)))
    with server.changed() as store:
        store.delete_entry(kinds.ACCOUNT, "a-anna")
        store.delete_entry(kinds.DOMAIN, "d-3")
    report = server.account(ANNA, "Example.org")
    assert not report.unrestored
    assert "The alias a@gone.example is in a domain that is not there any more; it is left out." in report.warnings
    entry = server.entry("a-anna")
    assert (entry.name, entry.aliases) == ("anna@Example.org", ("anna.alias@example.com",))
    assert "zimbraPrefFromAddress" not in entry.attrs
    assert server.content("a-anna") == content
    with server.changed():  # the backup knows it under its new address only, now
        pass
    assert not server.account(ANNA, "example.org").changed
    with pytest.raises(AlreadyExists, match="another restore has made it"):
        server.plan(ANNA)


def test_data_sources_are_left_out_when_asked(server: Server) -> None:
    """R-074."""
    server.delete("a-anna")
    server.account(ANNA, restore_datasource=False)
    assert server.kept(ANNA, kinds.DATA_SOURCE) == []


def test_a_moment_before_the_account_means_its_first(server: Server) -> None:
    """R-078."""
    early = server.now()
    with server.changed() as store:
        store.create_entry(Entry("a-late", kinds.ACCOUNT, "late@example.com"))
        mail(store, "a-late", INBOX, 1)
    first = server.content("a-late")
    with server.changed() as store:
        mail(store, "a-late", INBOX, 2)
    server.delete("a-late")
    report = server.account("late@example.com", date=early)
    assert any("late@example.com did not exist at" in sentence for sentence in report.warnings)
    assert len(server.content("a-late")) <= len(first)


def test_an_account_that_is_there_is_left_alone_and_those_before_it_are_named(server: Server) -> None:
    """R-067."""
    content = server.content(BRUNO)
    server.delete("a-bruno")
    gone = server.now()
    with server.changed() as store:
        store.create_entry(Entry("b-2", kinds.ACCOUNT, BRUNO))
    before = server.picture()
    with pytest.raises(AlreadyExists) as refused:
        server.plan(BRUNO)
    assert str(refused.value) == (
        f"The account {BRUNO} (b-2) is not deleted, and is left alone. Restore it on a new account, or single items of "
        f"it. Deleted accounts that had its address, to be named by id: a-bruno (deleted at {moment.iso(gone)})."
    )
    with pytest.raises(AlreadyExists, match=f"The account {BRUNO} is there already, and is left alone"):
        server.plan("a-bruno")
    assert server.picture() == before
    server.account("a-bruno", "example.org")
    assert server.content("bruno@example.org") == content


def test_an_alias_that_another_account_has_now_is_left_to_it(server: Server) -> None:
    server.delete("a-anna")
    with server.changed() as store:
        store.update_entry(Entry("a-bruno", kinds.ACCOUNT, BRUNO, aliases=("anna.alias@example.com",)))
    report = server.account(ANNA)
    assert not report.unrestored and server.entry(ANNA).aliases == ()
    assert f"The alias anna.alias@example.com is that of {BRUNO} now; it is left out." in report.warnings


def test_the_map_of_a_restore_mends_the_shares_of_others(server: Server) -> None:
    """R-053, R-317: mountpoints lead into the account again, whose folders have other ids."""
    assert problems(server) == []
    with server.changed() as store:  # so that no id of a folder of before is that of one of after
        for number in range(40):
            add(store, "a-anna", kinds.FOLDER, "1", f"x{number}")
        store.delete_items("a-anna", [one.item_id for one in store.folders("a-anna") if one.name.startswith("x")])
        grants = [{"grantee_id": "a-bruno", "grantee_type": "usr", "grantee_name": BRUNO, "rights": "r"}]
        shared = add(store, "a-anna", kinds.FOLDER, "1", "late", attrs={"grants": grants})
        attrs = {"owner_id": "a-anna", "owner_name": ANNA, "remote_id": shared}
        add(store, "a-bruno", kinds.MOUNTPOINT, "1", "Anna late", attrs=attrs)
    server.delete("a-anna")
    report = server.account(ANNA)
    assert any("The folder 'late' is shared with" in sentence for sentence in report.warnings)
    assert "bruno@example.com Anna late" in problems(server)
    assert "bruno@example.com Anna late" not in problems(server, map_file(server, "a-anna"))
    folder = next(one for one in server.kept(BRUNO, kinds.MOUNTPOINT) if one.name == "Anna late").attrs["remote_id"]
    assert server.states(ANNA)[folder].name == "late"


def test_the_map_of_a_deleted_account_on_a_new_one_brings_the_shares_there(server: Server) -> None:
    """R-317."""
    server.delete("a-anna")
    server.new("a-anna", COPY)
    assert problems(server) == ["bruno@example.com Anna's work"]
    copy = server.entry(COPY).entry_id
    assert problems(server, map_file(server, copy)) == []
    mountpoint = server.kept(BRUNO, kinds.MOUNTPOINT)[0].attrs
    assert mountpoint["owner_id"] == copy and server.states(COPY)[mountpoint["remote_id"]].name == "work"


@pytest.mark.parametrize(("given", "error", "sentence"), [
    ({"account": "nobody@example.com"}, NotFound, "knows no account"),
    ({"account": BRUNO}, AlreadyExists, "is not deleted, and is left alone. Restore it on a new account"),
    ({"date": YEAR_2024}, InvalidInput, "begins at"),
    ({"date": moment.now() + 86_400_000}, InvalidInput, "is in the future"),
    ({"domain": "nowhere.example"}, NotFound, "no domain nowhere.example"),
    ({"domain": "no domain"}, InvalidInput, "is no address"),
], ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "")
def test_bad_input_is_refused_before_anything_is_written(
    server: Server, given: dict[str, Any], error: type[RestanteError], sentence: str
) -> None:
    server.delete("a-anna")
    before = server.picture()
    with pytest.raises(error, match=sentence):
        server.plan(**{"account": ANNA, **given})
    assert server.picture() == before
