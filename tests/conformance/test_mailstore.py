# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every adapter of the mail server port has to do: the mailboxes."""

from __future__ import annotations

import gc
import hashlib
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore, NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Refused, RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MAIL = b"From: a@example.com\r\nSubject: one\r\n\r\nHello\r\n"


def mail(subject: object) -> bytes:
    """Return a message of its own that every server takes."""
    return f"Subject: {subject}\r\n\r\n".encode()


HOSTILE_NAMES = [
    "o'neil \"the\" boss", "a/b\\c", "..", "../../etc/passwd", "two\nlines\r\n\ttab", "Entwürfe ☃ 日本語 \U0001f600",
    "e\u0301 and \u00e9", " leading and trailing ", "'; DROP TABLE items; --", "%s %d {0}", "nul\0inside", "1",
    pytest.param("x" * 5000, marks=pytest.mark.needs("a name of 5000 letters")),
]

CONTENTS = {
    "not a message": b"\0\xff\xfe\n\n\n",
    "bare newlines": b"Subject: x\n\nbody\n",
    "gzip inside": b"\x1f\x8b\x08\x00 looks compressed and is not",
    "no end of line": b"Subject: x\r\n\r\nbody",
    "large": bytes(range(256)) * 8192,
}

CONTENT = {
    kinds.MESSAGE: MAIL,
    kinds.CONTACT: b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:anna\r\nFN:Anna\r\nN:Anna;;;;\r\nEND:VCARD\r\n",
    kinds.CONTACT_GROUP: b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:all\r\nFN:All\r\nN:All;;;;\r\n"
                         b"X-ADDRESSBOOKSERVER-KIND:group\r\nEND:VCARD\r\n",
    kinds.APPOINTMENT: b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n"
                       b"DTSTART:20260102T120000Z\r\nDTEND:20260102T130000Z\r\nDTSTAMP:20260101T120000Z\r\n"
                       b"SUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    kinds.TASK: b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VTODO\r\n"
                b"DTSTAMP:20260101T120000Z\r\nSUMMARY:Sleep\r\nUID:two\r\nEND:VTODO\r\nEND:VCALENDAR\r\n",
    kinds.DOCUMENT: MAIL,
    kinds.FILTER_SET: b"keep;\r\n",
}
"""Of each kind that has one, as servers write it that write it anew."""
IN_FOLDERS = sorted(set(CONTENT) - {kinds.FILTER_SET})


# -- the server --------------------------------------------------------------------------------------------------------


def test_a_server_keeps_its_id(server: Any) -> None:
    again = server.connect()
    assert server.store.server_id() == again.server_id() != ""
    again.close()


def test_what_an_adapter_declares_are_kinds(server: Any) -> None:
    capabilities = server.store.capabilities()
    assert capabilities.item_kinds <= set(kinds.ITEM_KINDS)
    assert capabilities.entry_kinds <= set(kinds.ENTRY_KINDS)


# -- one item of each kind ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", kinds.ITEM_KINDS)
def test_an_item_of_each_kind_comes_back_as_it_was_written(server: Any, kind: str) -> None:
    account = server.account()
    tag = server.add(account, kinds.TAG, "red") if kinds.TAG in server.store.capabilities().item_kinds else ""
    place = "" if kind in (kinds.TAG, kinds.FILTER_SET, kinds.DATA_SOURCE) else server.place(account, kind)
    blob = CONTENT.get(kind)
    state = ItemState(
        "", kind, place, "incoming" if kind == kinds.FILTER_SET else "name", "fu", (tag,) if tag and place else (),
        1_700_000_000_123, attrs={"color": 3, "deep": [{"ü": None}, "☃", 1.5, True]},
    )
    written, = server.store.write_items(account, [NewItem("origin", state, blob)])
    assert (written.origin, written.existed, written.error) == ("origin", False, "")
    expected = server.store.held(account, state)._replace(
        item_id=written.item_id, size=len(blob or b""), digest=hashlib.sha256(blob).hexdigest() if blob else ""
    )
    assert server.store.item(account, written.item_id) == expected
    assert server.all(account)[written.item_id] == expected
    if blob is not None:
        assert server.store.read_blob(account, written.item_id) == blob


@pytest.mark.parametrize("kind", IN_FOLDERS)
def test_an_item_of_each_kind_is_changed_moved_and_deleted(server: Any, kind: str) -> None:
    account = server.account()
    place = server.place(account, kind)
    item = server.add(account, kind, "name", CONTENT[kind], folder=place)
    token = server.store.changes(account).token
    content = CONTENT[kind]
    for old, new in ((b"FN:A", b"FN:B"), (b"SUMMARY:", b"SUMMARY:Another "), (b"Hello", b"Good bye")):
        content = content.replace(old, new)
    server.store.update_item(account, server.store.item(account, item), content)
    assert server.store.read_blob(account, item) == content
    target = server.add(
        account, kinds.FOLDER, "another", folder=server.root(account),
        attrs=server.store.item(account, place).attrs,
    )
    server.store.update_item(account, server.store.item(account, item)._replace(folder=target))
    assert server.store.read_blob(account, item) == content
    changes = server.store.changes(account, token)
    assert ([one.item_id for one in changes.items], list(changes.deleted)) == ([target, item], [])
    assert server.store.item(account, item).folder == target
    server.store.delete_items(account, [item])
    assert list(server.store.changes(account, token).deleted) == [item]
    assert server.store.item(account, item) is None


@pytest.mark.parametrize("kind", IN_FOLDERS)
def test_an_item_of_each_kind_is_written_once_under_an_import(server: Any, kind: str) -> None:
    account = server.account()
    new = NewItem("7", ItemState("", kind, server.place(account, kind), "name"), CONTENT[kind])
    first, = server.store.write_items(account, [new], "import")
    again, = server.store.write_items(account, [new], "import")
    assert (first.existed, again.existed, again.item_id) == (False, True, first.item_id)
    assert list(server.store.imported(account, "import")) == [("7", first.item_id)]
    assert [item for item, state in server.all(account).items() if state.kind == kind] == [first.item_id]


@pytest.mark.parametrize("content", [
    pytest.param(b"", id="empty", marks=pytest.mark.needs("a message without content")),
    *(pytest.param(
        content, id=name, marks=[] if content.startswith(b"Subject") else pytest.mark.needs("mail without a header")
    ) for name, content in CONTENTS.items()),
])
def test_content_is_kept_byte_for_byte_whatever_it_is(server: Any, content: bytes) -> None:
    account = server.account()
    item = server.add(account, kinds.MESSAGE, blob=content)
    content = server.store.held_blob(kinds.MESSAGE, content)
    assert server.store.read_blob(account, item) == content
    state = server.store.item(account, item)
    assert (state.size, state.digest) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_content_whose_digest_is_verified_is_kept_as_any_other(server: Any) -> None:
    account = server.account()
    state = ItemState("", kinds.MESSAGE, server.inbox(account), size=len(MAIL), digest=hashlib.sha256(MAIL).hexdigest())
    written = server.store.write_items(account, [NewItem("a", state, MAIL, verified=True)])[0]
    content = server.store.held_blob(kinds.MESSAGE, MAIL)
    assert server.store.read_blob(account, written.item_id) == content
    kept = server.store.item(account, written.item_id)
    assert (kept.size, kept.digest) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_data(server: Any, name: str) -> None:
    account = server.account()
    for kind in {kinds.FOLDER, kinds.TAG, kinds.DOCUMENT} & server.store.capabilities().item_kinds:
        item = server.add(account, kind, name, MAIL if kind == kinds.DOCUMENT else None)
        assert server.store.item(account, item).name == name
        assert server.all(account)[item].name == name


def test_a_name_that_is_no_text_is_refused_and_stops_no_other(server: Any) -> None:
    account = server.account()
    bad = ItemState("", kinds.FOLDER, server.root(account), "\udcff")
    first, second = server.store.write_items(account, [NewItem("1", bad), NewItem("2", bad._replace(name="good"))])
    assert first.error and not first.item_id
    assert second.item_id and not second.error


@pytest.mark.parametrize("date", [-1, 0, 2**31 * 1000, 253_402_300_799_999])
def test_dates_before_and_beyond_the_usual_are_kept(server: Any, date: int) -> None:
    account = server.account()
    held = server.store.held(account, ItemState("", kinds.MESSAGE, server.inbox(account), date=date)).date
    item = server.add(account, kinds.MESSAGE, blob=MAIL, date=date)
    assert server.store.item(account, item).date == held or server.adapter.mirrored and not held


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_new_account_has_the_folders_that_every_account_has(server: Any) -> None:
    folders = server.store.folders(server.account())
    assert (folders[0].name, folders[0].folder) == ("", "")
    assert server.adapter.folders <= {folder.name for folder in folders}
    assert all(server.is_system(folder) for folder in folders)


def test_folders_come_before_what_lies_in_them(server: Any) -> None:
    account = server.account()
    first = server.folder(account, "zz")
    last = server.folder(account, "last")
    inner = server.folder(account, "mm", first)
    # Moved below a folder with a larger id: the order is that of the tree, not that of the ids.
    server.store.update_item(account, server.store.item(account, first)._replace(folder=last))
    for listed in (server.store.folders(account), list(server.store.changes(account).items)):
        order = [folder.item_id for folder in listed]
        assert order.index(last) < order.index(first) < order.index(inner)


@pytest.mark.parametrize("kind", [kinds.FOLDER, kinds.MOUNTPOINT, kinds.TAG, kinds.FILTER_SET])
def test_two_of_one_name_in_one_place_are_refused(server: Any, kind: str) -> None:
    account = server.account()
    state = ItemState("", kind, server.root(account), "incoming")
    blob = b"keep;" if kind == kinds.FILTER_SET else None
    written = server.store.write_items(account, [NewItem("1", state, blob), NewItem("2", state, blob)])
    assert written[0].item_id and not written[0].error
    assert not written[1].item_id and "incoming" in written[1].error


def test_folders_of_one_name_in_two_places_are_two(server: Any) -> None:
    account = server.account()
    outer = server.folder(account, "same")
    assert server.folder(account, "same", outer) != outer


def test_system_folders_stay_where_they_are(server: Any) -> None:
    account = server.account()
    inbox = server.store.item(account, server.inbox(account))
    for changed in (inbox._replace(name="Eingang"), inbox._replace(folder=server.folder(account, "other"))):
        with pytest.raises(Refused, match="Inbox"):
            server.store.update_item(account, changed)
    with pytest.raises(Refused):
        server.store.delete_items(account, [inbox.item_id])
    wanted = inbox._replace(flags="*", attrs={"color": 5})
    server.store.update_item(account, wanted)
    assert server.store.item(account, inbox.item_id) == server.store.held(account, wanted)


def test_a_folder_cannot_be_moved_into_itself(server: Any) -> None:
    account = server.account()
    outer = server.folder(account, "outer")
    inner = server.folder(account, "inner", outer)
    with pytest.raises(Refused, match="into itself"):
        server.store.update_item(account, server.store.item(account, outer)._replace(folder=inner))


def test_deleting_a_folder_deletes_all_in_it(server: Any) -> None:
    account = server.account()
    outer = server.folder(account, "outer")
    inner = server.folder(account, "inner", outer)
    mail = server.add(account, kinds.MESSAGE, blob=MAIL, folder=inner)
    kept = server.add(account, kinds.MESSAGE, blob=MAIL)
    token = server.store.changes(account).token
    server.store.delete_items(account, [outer])
    assert set(server.all(account)) == {kept}
    assert sorted(server.store.changes(account, token).deleted) == sorted([outer, inner, mail])
    assert server.store.item(account, mail) is None


# -- refusals ----------------------------------------------------------------------------------------------------------


REFUSED = {
    "an unknown folder": (ItemState("", kinds.MESSAGE, "999999"), MAIL),
    "no folder": (ItemState("", kinds.MESSAGE, ""), MAIL),
    "a folder id that is none": (ItemState("", kinds.MESSAGE, "2; DROP TABLE items"), MAIL),
    "an unknown tag": (ItemState("", kinds.MESSAGE, "2", tags=("999999",)), MAIL),
    "an unknown kind": (ItemState("", "dream", "2"), MAIL),
    "a message without content": (ItemState("", kinds.MESSAGE, "2"), None),
    "a folder with content": (ItemState("", kinds.FOLDER, "1", "x"), MAIL),
    "a folder without a name": (ItemState("", kinds.FOLDER, "1"), None),
    "a date out of all bounds": (ItemState("", kinds.MESSAGE, "2", date=2**70), MAIL),
}


@pytest.mark.parametrize("state, blob", REFUSED.values(), ids=REFUSED)
def test_a_refused_item_stops_no_other_and_says_why(server: Any, state: ItemState, blob: bytes | None) -> None:
    account = server.account()
    good = ItemState("", kinds.MESSAGE, server.inbox(account))
    batch = [NewItem("a", good, mail(1)), NewItem("bad", state, blob), NewItem("b", good, mail(2))]
    written = server.store.write_items(account, batch, "import")
    assert [bool(result.error) for result in written] == [False, True, False]
    assert (written[1].item_id, written[1].existed) == ("", False)
    assert written[1].error.endswith(".")
    assert [server.store.read_blob(account, written[i].item_id) for i in (0, 2)] == [mail(1), mail(2)]
    assert [origin for origin, _item in server.store.imported(account, "import")] == ["a", "b"]


def test_a_refused_item_can_be_written_when_its_fault_is_mended(server: Any) -> None:
    account = server.account()
    state = ItemState("", kinds.FOLDER, server.root(account), "Inbox")
    assert server.store.write_items(account, [NewItem("7", state)], "import")[0].error
    written, = server.store.write_items(account, [NewItem("7", state._replace(name="Inbox 2"))], "import")
    assert (written.error, written.existed) == ("", False)


UNKNOWN = {
    "changes": lambda store: store.changes("nobody"),
    "item": lambda store: store.item("nobody", "1"),
    "folders": lambda store: store.folders("nobody"),
    "read_blob": lambda store: store.read_blob("nobody", "1"),
    "write_items": lambda store: store.write_items("nobody", [NewItem("", ItemState("", kinds.MESSAGE, "2"), MAIL)]),
    "imported": lambda store: list(store.imported("nobody", "import")),
    "map_imported": lambda store: store.map_imported("nobody", "import", [("1", "2")]),
    "update_item": lambda store: store.update_item("nobody", ItemState("2", kinds.MESSAGE, "2")),
    "delete_items": lambda store: store.delete_items("nobody", ["1"]),
}


@pytest.mark.parametrize("call", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_account_is_named(server: Any, call: Callable[[Any], object]) -> None:
    with pytest.raises(NotFound, match="nobody"):
        call(server.store)


def test_an_unknown_item_is_named_or_none(server: Any) -> None:
    account = server.account()
    for item in ("999999", "", "x", "0256", "²", "\udcff", "9" * 40):
        assert server.store.item(account, item) is None
        with pytest.raises(NotFound):
            server.store.read_blob(account, item)
        with pytest.raises(NotFound):
            server.store.update_item(account, ItemState(item, kinds.MESSAGE, server.inbox(account)))
        token = server.store.changes(account).token
        server.store.delete_items(account, [item])
        assert server.store.changes(account).token == token
    with pytest.raises(NotFound, match="content"):
        server.store.read_blob(account, server.inbox(account))


def test_several_contents_come_in_the_order_asked_for_and_one_that_is_gone_costs_no_other(server: Any) -> None:
    account = server.account()
    items = [server.add(account, kinds.MESSAGE, blob=mail(f"{number}" * (number + 1))) for number in range(100)]
    wanted = [items[99], "999999", items[0], *reversed(items), server.inbox(account), items[99]]
    contents = list(server.store.read_blobs(account, wanted))
    assert [len(content) for content in contents if isinstance(content, bytes)] == [
        len(mail(f"{number}" * (number + 1))) for number in (99, 0, *reversed(range(100)), 99)
    ]
    assert [isinstance(content, NotFound) for content in contents] == [False, True, *[False] * 101, True, False]
    assert list(server.store.read_blobs(account, [])) == []
    with pytest.raises(NotFound, match="nobody"):
        list(server.store.read_blobs("nobody", []))


# -- changing and deleting ---------------------------------------------------------------------------------------------


def test_an_update_changes_all_that_it_names_and_nothing_else(server: Any) -> None:
    account = server.account()
    tag = server.add(account, kinds.TAG, "red")
    item = server.add(account, kinds.MESSAGE, blob=MAIL, date=1000, flags="u", attrs={"subject": "one"})
    before = server.store.item(account, item)
    wanted = before._replace(folder=server.folder(account, "there"), flags="f", tags=(tag,), date=2000, attrs={"a": 1})
    server.store.update_item(account, wanted)
    wanted = server.store.held(account, wanted)
    assert server.store.item(account, item) == wanted
    assert server.store.read_blob(account, item) == MAIL
    another = mail("another")
    server.store.update_item(account, wanted, another)
    after = server.store.item(account, item)
    assert after == wanted._replace(size=len(another), digest=hashlib.sha256(another).hexdigest())
    assert server.store.read_blob(account, item) == another


def test_several_updates_are_made_and_one_that_is_refused_costs_no_other(server: Any) -> None:
    account = server.account()
    items = [server.add(account, kinds.MESSAGE, blob=MAIL) for _number in range(3)]
    wanted = [
        server.store.item(account, item)._replace(flags="f", date=1000 * number) for number, item in enumerate(items, 1)
    ]
    wanted[1] = wanted[1]._replace(folder="999999")
    inbox = server.store.held(
        account, server.store.item(account, server.inbox(account))._replace(flags="*", attrs={"color": 5})
    )
    refused = server.store.update_items(account, [*wanted, inbox, inbox._replace(item_id="999999")])
    assert [error is None for error in refused] == [True, False, True, True, False]
    assert "999999" in str(refused[1]) and isinstance(refused[4], NotFound)
    present = [server.store.item(account, state.item_id) for state in (*wanted, inbox)]
    assert [now == state for now, state in zip(present, (*wanted, inbox))] == [True, False, True, True]
    token = server.store.changes(account).token
    assert server.store.update_items(account, [wanted[0], inbox]) == [None, None]
    assert server.store.changes(account).token == token


def test_an_update_that_changes_nothing_is_no_change(server: Any) -> None:
    account = server.account()
    item = server.add(account, kinds.MESSAGE, blob=MAIL, attrs={"subject": "one"})
    token = server.store.changes(account).token
    server.store.update_item(account, server.store.item(account, item))
    assert server.store.changes(account).token == token


@pytest.mark.parametrize("fields", [{"folder": "999999"}, {"tags": ("999999",)}, {"date": 2**70}])
def test_an_update_that_cannot_be_changes_nothing(server: Any, fields: dict[str, Any]) -> None:
    account = server.account()
    item = server.add(account, kinds.MESSAGE, blob=MAIL)
    before = server.store.item(account, item)
    with pytest.raises(RestanteError):
        server.store.update_item(account, before._replace(**fields), mail("new"))
    assert server.store.item(account, item) == before
    assert server.store.read_blob(account, item) == MAIL


def test_an_update_to_a_taken_name_is_refused(server: Any) -> None:
    account = server.account()
    server.folder(account, "taken")
    other = server.folder(account, "other")
    with pytest.raises(Refused, match="taken"):
        server.store.update_item(account, server.store.item(account, other)._replace(name="taken"))


def test_deleted_items_are_gone_and_their_ids_are_not_given_again(server: Any) -> None:
    account = server.account()
    gone, kept = (server.add(account, kinds.MESSAGE, blob=MAIL) for _unused in range(2))
    server.store.delete_items(account, [gone, "unknown"])
    assert set(server.all(account)) == {kept}
    with pytest.raises(NotFound, match=gone):
        server.store.read_blob(account, gone)
    server.store.delete_items(account, [kept])
    assert server.add(account, kinds.MESSAGE, blob=MAIL) not in (gone, kept)


def test_a_deleted_tag_is_taken_off_what_had_it(server: Any) -> None:
    account = server.account()
    red, blue = (server.add(account, kinds.TAG, name) for name in ("red", "blue"))
    both = server.add(account, kinds.MESSAGE, blob=MAIL, tags=tuple(sorted((red, blue))))
    other = server.add(account, kinds.MESSAGE, blob=MAIL, tags=(blue,))
    token = server.store.changes(account).token
    server.store.delete_items(account, [red])
    assert [server.store.item(account, item).tags for item in (both, other)] == [(blue,), (blue,)]
    changes = server.store.changes(account, token)
    assert ([item.item_id for item in changes.items], list(changes.deleted)) == ([both], [red])


# -- changes -----------------------------------------------------------------------------------------------------------


def test_tokens_differ_exactly_for_the_mailboxes_that_changed(server: Any) -> None:
    accounts = [server.account(name) for name in ("anna", "bruno", "carla")]
    before = dict(server.store.tokens())
    assert sorted(before) == sorted(accounts)
    assert all(server.store.changes(account).token == token for account, token in before.items())
    server.add(accounts[1], kinds.MESSAGE, blob=MAIL)
    after = dict(server.store.tokens())
    assert [account for account in accounts if after[account] != before[account]] == [accounts[1]]


def test_changes_since_a_token_are_what_changed_since(server: Any) -> None:
    account = server.account()
    old, gone, moved = (server.add(account, kinds.MESSAGE, blob=MAIL) for _unused in range(3))
    token = server.store.changes(account).token
    assert not server.store.changes(account, token).full
    assert list(server.store.changes(account, token).items) == []
    folder = server.folder(account, "new")
    server.store.update_item(account, server.store.item(account, moved)._replace(folder=folder))
    server.store.delete_items(account, [gone])
    changes = server.store.changes(account, token)
    assert [item.item_id for item in changes.items] == [folder, moved]
    assert (changes.full, list(changes.deleted)) == (False, [gone])
    assert old not in [item.item_id for item in server.store.changes(account, token).items]


@pytest.mark.parametrize("token", ["", "garbage", "1", "1:2:3", ":", "\udcff", "9" * 50])
def test_a_token_that_is_none_of_the_mailbox_gives_all(server: Any, token: str) -> None:
    account = server.account()
    item = server.add(account, kinds.MESSAGE, blob=MAIL)
    changes = server.store.changes(account, token)
    assert (changes.full, list(changes.deleted)) == (True, [])
    assert item in [state.item_id for state in changes.items]


def test_a_token_of_a_mailbox_that_was_deleted_and_made_again_gives_all(server: Any) -> None:
    account = server.account()
    token = server.store.changes(account).token
    server.store.delete_entry(kinds.ACCOUNT, account)
    account = server.account()
    server.add(account, kinds.MESSAGE, blob=MAIL)
    assert server.store.changes(account, token).full


@pytest.mark.parametrize("later", range(1, 5))
def test_a_token_does_not_come_again_after_the_server_was_put_back(server: Any, later: int) -> None:
    """The two changes that are lost were the token's; one, two or more others take their place."""
    account = server.account()
    server.add(account, kinds.MESSAGE, blob=MAIL)
    at_snapshot = server.store.changes(account).token
    server.snapshot()
    seen = {server.store.changes(account).token}
    for _unused in range(2):
        lost = server.add(account, kinds.MESSAGE, blob=MAIL)
        seen.add(server.store.changes(account).token)
    token = server.store.changes(account).token
    server.put_back()
    assert not list(server.store.changes(account, at_snapshot).items)
    mirrored = server.adapter.mirrored
    assert mirrored or server.store.changes(account).token == at_snapshot, "nothing is other than it was then"
    new = [server.add(account, kinds.MESSAGE, blob=mail(number)) for number in range(later)]
    assert mirrored or lost in new or later == 1, "the ids are given again too"
    assert dict(server.store.tokens())[account] not in seen
    changes = server.store.changes(account, token)
    assert set(new) <= {item.item_id for item in changes.items}
    assert changes.full or mirrored and (lost in changes.deleted or lost in new)
    changes = server.store.changes(account, at_snapshot)
    assert (changes.full, server.ordered([item.item_id for item in changes.items])) == (False, server.ordered(new))


@pytest.mark.parametrize("kind", IN_FOLDERS)
def test_an_item_of_each_kind_that_was_lost_when_the_server_was_put_back_is_gone(server: Any, kind: str) -> None:
    account = server.account()
    place = server.place(account, kind)
    server.snapshot()
    lost = server.add(account, kind, "lost", CONTENT[kind], folder=place)
    token = server.store.changes(account).token
    server.put_back()
    changes = server.store.changes(account, token)
    assert lost not in [one.item_id for one in changes.items]
    assert changes.full or list(changes.deleted) == [lost]
    new = server.add(account, kind, "new", CONTENT[kind], folder=place)
    assert new in [one.item_id for one in server.store.changes(account, token).items]
    assert server.store.read_blob(account, new) == CONTENT[kind]


def test_an_account_made_after_the_server_was_put_back_has_no_token_of_one_that_is_lost(server: Any) -> None:
    server.snapshot()
    token = server.store.changes(server.account("anna")).token
    server.put_back()
    account = server.account("bruno")
    assert server.store.changes(account).token != token
    assert server.store.changes(account, token).full


def test_changes_are_told_across_connections_that_take_turns(server: Any) -> None:
    account = server.account()
    other = server.connect()
    tokens = [server.store.changes(account).token]
    added = []
    for store in (server.store, other, other, server.store, other):
        new, = store.write_items(account, [NewItem("", ItemState("", kinds.MESSAGE, server.inbox(account)), MAIL)])
        added.append(new.item_id)
        tokens.append(server.store.changes(account).token)
    for number, token in enumerate(tokens):
        changes = other.changes(account, token)
        found = server.ordered([item.item_id for item in changes.items])
        assert (changes.full, found) == (False, server.ordered(added[number:]))
    other.close()


def test_changes_are_as_they_were_when_asked_for_whatever_is_written_meanwhile(server: Any) -> None:
    account = server.account()
    items = [server.add(account, kinds.MESSAGE, blob=mail(number)) for number in range(20)]
    listed = []
    changes = server.store.changes(account)
    for state in changes.items:
        listed.append(state.item_id)
        if state.kind == kinds.MESSAGE:  # would go on for ever if the new ones were seen
            server.store.update_item(account, state._replace(flags="f" if state.flags == "" else ""))
            server.add(account, kinds.MESSAGE, blob=mail(len(listed)))
    assert server.ordered([item for item in listed if item in items]) == server.ordered(items)
    assert len(listed) == len(set(listed)) == len(items) + sum(map(server.is_system, server.store.folders(account)))
    assert len(list(server.store.changes(account, changes.token).items)) == 2 * len(items)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["write", "folder", "move", "flag", "content", "delete", "look"]), st.integers(0, 30)),
    min_size=1, max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_whoever_follows_the_changes_knows_the_mailbox(
    make_server: Callable[[], Any], actions: list[tuple[str, int]]
) -> None:
    server = make_server()
    account = server.account()
    followed: dict[str, ItemState] = {}
    token = ""
    for action, number in [*actions, ("look", 0)]:
        present = list(server.all(account).values())
        state = present[number % len(present)] if present else None
        folders = [folder.item_id for folder in server.store.folders(account)]
        places = folders if "mail in the root" not in server.adapter.lacks else folders[1:]
        if action == "write":
            server.add(account, kinds.MESSAGE, blob=mail(number), folder=places[number % len(places)])
        elif action == "folder":
            new = ItemState("", kinds.FOLDER, folders[number % len(folders)], f"f{number}")
            server.store.write_items(account, [NewItem("", new)])
        elif action == "look":
            changes = server.store.changes(account, token)
            followed = {} if changes.full else followed
            followed.update((item.item_id, item) for item in changes.items)
            for item in changes.deleted:
                followed.pop(item, None)
            token = changes.token
            assert followed == {item.item_id: item for item in server.store.changes(account).items}
        elif state and action == "delete":
            server.store.delete_items(account, [state.item_id])
        elif state and action == "content" and state.kind == kinds.MESSAGE:
            server.store.update_item(account, state, mail(f"changed {number}"))
        elif state:
            field = {"folder": folders[number % len(folders)]} if action == "move" else {"flags": "fu"[number % 2]}
            try:
                server.store.update_item(account, state._replace(**field))
            except Refused:  # a folder into itself, or to where there is one of its name
                pass


# -- exactly once ------------------------------------------------------------------------------------------------------


def messages(server: Any, account: str, count: int) -> list[NewItem]:
    state = ItemState("", kinds.MESSAGE, server.inbox(account))
    return [NewItem(f"origin {number}", state, mail(f"message {number}")) for number in range(count)]


def test_an_origin_is_written_once_under_an_import(server: Any) -> None:
    account = server.account()
    batch = messages(server, account, 5)
    first = server.store.write_items(account, batch[:3], "import")
    again = server.store.write_items(account, batch, "import")
    assert [written.existed for written in first] == [False] * 3
    assert [written.existed for written in again] == [True] * 3 + [False] * 2
    assert [written.item_id for written in again[:3]] == [written.item_id for written in first]
    assert list(server.store.imported(account, "import")) == [(w.origin, w.item_id) for w in again]
    assert len(server.all(account)) == 5


def test_an_origin_twice_in_one_batch_is_written_once(server: Any) -> None:
    account = server.account()
    one, = messages(server, account, 1)
    first, second = server.store.write_items(account, [one, one], "import")
    assert (first.existed, second.existed) == (False, True)
    assert first.item_id == second.item_id
    assert server.store.read_blob(account, first.item_id) == one.blob


def test_imports_and_accounts_know_nothing_of_each_other(server: Any) -> None:
    anna, bruno = server.account("anna"), server.account("bruno")
    batch = messages(server, anna, 2)
    for account, import_id in ((anna, "one"), (anna, "two"), (bruno, "one")):
        assert [w.existed for w in server.store.write_items(account, batch, import_id)] == [False, False]
    assert (len(server.all(anna)), len(server.all(bruno))) == (4, 2)
    assert list(server.store.imported(anna, "three")) == []


def test_without_an_import_every_item_is_new(server: Any) -> None:
    account = server.account()
    for _unused in range(2):
        assert not any(written.existed for written in server.store.write_items(account, messages(server, account, 2)))
    assert len(server.all(account)) == 4


def test_what_was_imported_and_deleted_by_its_user_stays_deleted(server: Any) -> None:
    account = server.account()
    batch = messages(server, account, 1)
    written, = server.store.write_items(account, batch, "import")
    server.store.delete_items(account, [written.item_id])
    assert server.store.write_items(account, batch, "import")[0].existed
    assert server.all(account) == {}


def test_an_origin_can_be_mapped_to_what_is_there(server: Any) -> None:
    account = server.account()
    inbox = server.inbox(account)
    server.store.write_items(account, messages(server, account, 1), "import")
    server.store.map_imported(account, "import", [("900", inbox), ("901", inbox)])
    server.store.map_imported(account, "import", [("900", inbox)])
    assert dict(server.store.imported(account, "import"))["900"] == inbox
    state = ItemState("", kinds.FOLDER, server.root(account), "Inbox")
    written, = server.store.write_items(account, [NewItem("900", state)], "import")
    assert (written.item_id, written.existed, written.error) == (inbox, True, "")
    with pytest.raises(NotFound, match="999999"):
        server.store.map_imported(account, "import", [("902", "999999")])


@pytest.mark.parametrize("reported, milliseconds", [(0, 1), (0, 4), (1, 0), (2, 2), (3, 3), (5, 5), (8, 1), (13, 2)])
def test_a_killed_import_done_again_has_everything_once(server: Any, reported: int, milliseconds: int) -> None:
    account = server.account()
    batches = [messages(server, account, 160)[start:start + 8] for start in range(0, 160, 8)]

    def work(store: MailStore, say: Callable[[str], None]) -> None:
        for batch in batches:
            for written in store.write_items(account, batch, "import"):
                say(f"{written.origin}={written.item_id}")

    worker = server.beside(work)
    worker.wait_for(8 * reported)
    time.sleep(milliseconds / 1000)  # any moment will do, but not always the same one
    said = dict(line.split("=") for line in worker.kill())
    for origin, item in said.items():
        assert server.store.read_blob(account, item) == mail(origin.replace("origin", "message"))
    assert said.items() <= dict(server.store.imported(account, "import")).items()
    for item in server.all(account):
        assert server.store.read_blob(account, item).startswith(b"Subject: message ")
    for batch in batches:
        for written in server.store.write_items(account, batch, "import"):
            assert not written.error
            assert said.get(written.origin, written.item_id) == written.item_id
    assert sorted(server.store.read_blob(account, item) for item in server.all(account)) == sorted(
        mail(f"message {number}") for number in range(160)
    )


def test_two_processes_that_write_one_import_write_each_origin_once(server: Any) -> None:
    account = server.account()
    batches = [messages(server, account, 96)[start:start + 8] for start in range(0, 96, 8)]

    def work(store: MailStore, say: Callable[[str], None]) -> None:
        for batch in batches:
            for written in store.write_items(account, batch, "import"):
                say(f"{written.origin}={written.item_id}")

    here: list[str] = []
    worker = server.beside(work)
    work(server.store, here.append)
    assert sorted(worker.finish()) == sorted(here)
    assert len(server.all(account)) == 96


def test_what_another_process_rewrites_is_read_as_it_was_or_as_it_is(server: Any) -> None:
    account = server.account()
    item = server.add(account, kinds.MESSAGE, blob=mail("content 0"))

    def work(store: MailStore, say: Callable[[str], None]) -> None:
        state = store.item(account, item)
        assert state is not None
        for number in range(1, 60):
            store.update_item(account, state, mail(f"content {number}"))
        store.delete_items(account, [item])

    worker = server.beside(work)
    last = 0
    with pytest.raises(NotFound):
        while True:
            _subject, word, number = server.store.read_blob(account, item).split()
            assert word == b"content" and int(number) >= last
            last = int(number)
    worker.finish()


# -- large -------------------------------------------------------------------------------------------------------------


def test_a_big_mailbox_is_read_without_holding_it(server: Any) -> None:
    account = server.account()
    state = ItemState("", kinds.MESSAGE, server.inbox(account), attrs={"subject": "s" * 200})
    for start in range(0, 6000, 500):
        batch = [NewItem(str(number), state, mail(number)) for number in range(start, start + 500)]
        server.store.write_items(account, batch, "import")
    next(iter(server.store.changes(account).items))  # what the first time alone makes is no matter here
    gc.collect()
    tracemalloc.start()
    assert sum(1 for _unused in server.store.changes(account).items) >= 6000
    assert sum(1 for _unused in server.store.imported(account, "import")) == 6000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (1_500_000 if server.adapter.mirrored else 500_000), "the states alone are several times as much"
