# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of a mailbox.log, as the mail server writes them and as somebody may have them written."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore import mailbox_log
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.mailbox_log import Event, read
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from hypothesis import given
from hypothesis import strategies as st

UUID = "5f2c5f2c-0000-4000-8000-5f2c5f2c5f2c"


def line(message: str, logger: str = "mailop", context: str = "name=u@d.tld;mid=7;ip=10.0.0.1;") -> bytes:
    return f"2025-10-15 17:47:16,123 INFO  [qtp123-45] [{context}] {logger} - {message}\n".encode()


def said(*args: Any, **fields: Any) -> list[Event]:
    return list(read(line(*args, **fields))[1])


@pytest.mark.parametrize(
    ("message", "logger", "events"),
    [
        ("moving Message (id=300) to Folder Trash (id=3)", "mailop",
         [Event("moved", "message", "300", folder="Trash", folder_id="3")]),
        ("moving Folder Old (id=290) to Folder Trash (id=3)", "mailop",
         [Event("moved", "folder", "290", "Old", "Trash", "3")]),
        ("moving Contact <undefined> (id=291) to Folder Trash (id=3)", "mailop",
         [Event("moved", "contact", "291", "<undefined>", "Trash", "3")]),
        ("Moving Conversation (id=12) to Folder Junk (id=4).  Affected message ids: 300,301.", "mailop",
         [Event("moved", "conversation", "12", folder="Junk", folder_id="4"),
          Event("moved", "message", "300", folder="Junk", folder_id="4"),
          Event("moved", "message", "301", folder="Junk", folder_id="4")]),
        ("Adding Message: id=300, Message-ID=<a@b>, parentId=-1, folderId=2, folderName=Inbox acct=" + UUID + ".",
         "mailop", [Event("added", "message", "300", folder="Inbox", folder_id="2", message_id="<a@b>", account=UUID)]),
        ("Adding Message: id=300, Message-ID=<a@b>, parentId=-1, folderId=2, folderName=Inbox.", "mailop",
         [Event("added", "message", "300", folder="Inbox", folder_id="2", message_id="<a@b>")]),
        ("adding contact x@y.z: id=291, folderId=7, folderName=Contacts.", "mailop",
         [Event("added", "contact", "291", "x@y.z", "Contacts", "7")]),
        ("modifying contact x@y.z: id=291, folderId=7, folderName=Contacts.", "mailop",
         [Event("modified", "contact", "291", "x@y.z", "Contacts", "7")]),
        ("Adding Tag urgent: id=64.", "mailop", [Event("added", "tag", "64", "urgent")]),
        ("Adding SearchFolder unread: id=292, parentId=1, parentName=USER_ROOT.", "mailop",
         [Event("added", "searchfolder", "292", "unread", "USER_ROOT", "1")]),
        ("Copying Message (id=300): copyId=302, folderId=2, folderName=Inbox, parentId=-1.", "mailop",
         [Event("copied", "message", "302", folder="Inbox", folder_id="2", copy_of="300")]),
        ("Performing IMAP copy of Message (id=300): copyId=302, folderId=2, folderName=Inbox.", "mailop",
         [Event("copied", "message", "302", folder="Inbox", folder_id="2", copy_of="300")]),
        ("Deleting Message (id=300).", "mailop", [Event("deleted", "message", "300")]),
        ("Deleting Folder Old (id=290).", "mailop", [Event("deleted", "folder", "290", "Old")]),
        ("Deleting MESSAGES: 300,301", "mailop",
         [Event("deleted", "message", "300"), Event("deleted", "message", "301")]),
        ("deleting folder id=290,path=/Trash/Old", "mailbox", [Event("deleted", "folder", "290", "/Trash/Old")]),
        ("Emptying 9 items from /Trash, removeSubfolders=true.", "mailbox", [Event("emptied", folder="/Trash")]),
        ("Emptying dumpster with batchSize=500", "mailbox", [Event("emptied", folder="dumpster")]),
        ("Delivering message: size=840 bytes, nrcpts=1, sender=<a@b.c>, msgid=<x@y>", "lmtp",
         [Event("delivering", message_id="<x@y>", sender="a@b.c")]),
        ("rejecting message from=a@b.c,to=u@d.tld: overquota", "lmtp",
         [Event("not_delivered", sender="a@b.c", account="u@d.tld", reason="rejecting overquota")]),
        ("try again for message from=a@b.c,to=u@d.tld", "lmtp",
         [Event("not_delivered", sender="a@b.c", account="u@d.tld", reason="try again for")]),
        ("Not delivering message with duplicate Message-ID <x@y>", "lmtp",
         [Event("not_delivered", message_id="<x@y>", reason="duplicate")]),
        ("Putting mailbox 7 under maintenance.", "mailbox", []),
        ("SyncRequest elapsed=12", "soap", []),
    ],
)
def test_a_line_says_what_happened(message: str, logger: str, events: list[Event]) -> None:
    """R-025."""
    parsed, found, breaks_off = read(line(message, logger))
    assert list(found) == events and not breaks_off
    if events:
        assert parsed is not None and parsed.context == {"name": "u@d.tld", "mid": "7", "ip": "10.0.0.1"}


def test_the_lines_of_the_documentation_are_read() -> None:
    """R-025: they have no context."""
    moved = (
        b"2020-07-18 15:22:01,495 INFO [btpool0-4361://localhost/service/soap/MsgActionRequest] "
        b"mailop - moving Message (id=339) to Folder Trash (id=3)"
    )
    assert [event.item_id for event in read(moved)[1]] == ["339"]
    emptied = (
        b"2020-07-18 15:25:08,962 INFO  [btpool0-4364://localhost/service/soap/FolderActionRequest] "
        b"mailbox - Emptying 9 items from /Trash, removeSubfolders=true."
    )
    assert [event.folder for event in read(emptied)[1]] == ["/Trash"]


def test_the_context_is_read_whatever_its_values_are() -> None:
    parsed, events, _breaks = read(
        line("Deleting Message (id=300).", context="name=u@d.tld;aname=admin@d.tld;mid=7;ua=a;;b] x - y;;;soapId=1;")
    )
    assert len(events) == 1 and parsed is not None
    assert parsed.context == {
        "name": "u@d.tld", "aname": "admin@d.tld", "mid": "7", "ua": "a;b] x - y;", "soapId": "1"
    }


def test_a_thread_may_have_brackets_in_its_name() -> None:
    data = line("Deleting Message (id=300).").replace(b"qtp123-45", b"qtp1:https://[::1]:8443/service/soap/X")
    assert len(read(data)[1]) == 1


# -- hostile -----------------------------------------------------------------------------------------------------------

FORGED = "mailop - moving Message (id=9) to Folder Trash (id=3)"


@pytest.mark.parametrize(
    "agent", [f"x;] {FORGED}", f"x] {FORGED}", f"x] [] {FORGED}", f"x;;] {FORGED}", f"x;name=v;] {FORGED}"]
)
def test_a_client_cannot_say_anything_by_its_name(agent: str) -> None:
    context = f"name=u;ua={agent.replace(';', ';;')};soapId=1;"
    parsed, events, breaks_off = read(line("SearchRequest elapsed=3", "soap", context))
    assert not events and not breaks_off and parsed is not None and parsed.context["ua"] == agent


@pytest.mark.parametrize("agent", ["x", f"x] {FORGED}", f"x;;] {FORGED}", f"x] [] {FORGED}"])
def test_a_line_break_in_the_context_is_noticed(agent: str) -> None:
    data = f"2025-10-15 17:47:16,123 INFO  [qtp] [name=u;ua={agent}\n".encode()
    _parsed, events, breaks_off = read(data)
    assert not events and breaks_off


@pytest.mark.parametrize("message", ["adding contact x", "Adding Message: id=300, Message-ID=<a", "moving Folder a"])
def test_a_line_break_in_a_name_is_noticed(message: str) -> None:
    _parsed, events, breaks_off = read(line(message))
    assert not events and breaks_off


@pytest.mark.parametrize(
    ("message", "item"),
    [
        ("moving Folder A (id=9) to Folder B (id=290) to Folder Trash (id=3)", "9"),
        ("Adding Message: id=300, Message-ID=<a>, parentId=-1, folderId=3, folderName=Trash, parentId=-1, folderId=2, "
         "folderName=Inbox.", "300"),
        ("adding contact x: id=9, folderId=7, folderName=y: id=291, folderId=7, folderName=Contacts.", "9"),
    ],
)
def test_a_name_that_looks_like_the_rest_of_the_line_makes_it_doubtful(message: str, item: str) -> None:
    (event,) = said(message)
    assert event.doubtful and event.item_id == item


def test_a_message_is_not_confused_by_the_name_of_the_folder() -> None:
    (event,) = said("moving Message (id=300) to Folder A (id=9) to Folder Trash (id=3)")
    assert (event.item_id, event.folder_id, event.doubtful) == ("300", "3", False)


def test_what_is_no_text_is_shown_and_stops_nothing() -> None:
    data = line("moving Folder @ (id=290) to Folder Trash (id=3)").replace(b"@", b"\xff\xfe\x00\x1b[31m")
    (event,) = read(data)[1]
    assert event.item_id == "290" and event.name.startswith("\\xff\\xfe")


@pytest.mark.parametrize(
    "data",
    [
        line("moving Folder " + " (id=1) to Folder " * 3500),
        line("Adding Message: id=1, Message-ID=" + ", parentId=-1, folderId=2, folderName=" * 1600),
        line("Deleting MESSAGES: " + "1," * 30_000),
        line("Deleting Message (id=" + "9" * 60_000 + ")."),
        line("x", "soap", "a=" + ";;" * 30_000),
        b"2025-10-15 17:47:16,123 INFO  [q" + b"] [a=" * 12_000 + b"mailop - \n",
        b"2025-10-15 17:47:16,123 INFO  [q] [a=;" + b";] " * 20_000 + b"mailop - \n",
    ],
    ids=["names", "message ids", "many ids", "long id", "semicolons", "threads", "contexts"],
)
def test_no_line_takes_long(data: bytes) -> None:
    began = time.process_time()
    read(data)
    assert time.process_time() - began < 1.0


@given(st.binary(max_size=200))
def test_no_bytes_stop_it(tail: bytes) -> None:
    read(b"2025-10-15 17:47:16,123 INFO  [" + tail)
    read(line("moving Folder @ (id=290) to Folder Trash (id=3)").replace(b"@", tail))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r")), st.text("ab;] [-=x(id)\n"))
def test_values_of_the_context_come_back_whole(agent: str, other: str) -> None:
    """Against a model: what the mail server writes is what is read."""
    values = {"name": "u", "ua": agent[:200], "via": other.replace("\n", " ")}
    context = "".join(f"{key}={value.replace(';', ';;')};" for key, value in values.items())
    parsed, events, breaks_off = read(line("Deleting Message (id=300).", context=context))
    assert parsed is not None and parsed.context == values and len(events) == 1 and not breaks_off


# -- time --------------------------------------------------------------------------------------------------------------


def minutes(zone: str, *local: str) -> list[int | None]:
    clock = mailbox_log.Clock(moment.zone(zone))
    found = [clock.minute(text.encode()) for text in local]
    return [None if at is None else at // 60_000 - 29_000_000 for at in found]


def test_the_hour_that_comes_twice_is_told_apart_by_the_order_of_lines() -> None:
    """R-299: daylight saving time ends in Rome on 26 October 2025 at 01:00 UTC."""
    found = minutes(
        "Europe/Rome", "2025-10-26 01:59", "2025-10-26 02:10", "2025-10-26 02:50", "2025-10-26 02:10",
        "2025-10-26 02:50", "2025-10-26 03:00",
    )
    base = found[0] or 0
    assert [(one or 0) - base for one in found] == [0, 11, 51, 71, 111, 121]


def test_lines_that_are_a_little_out_of_order_do_not_turn_the_clock() -> None:
    found = minutes("Europe/Rome", "2025-10-26 02:31", "2025-10-26 02:30", "2025-10-26 02:31")
    base = found[0] or 0
    assert [(one or 0) - base for one in found] == [0, -1, 0]


def test_the_hour_that_is_left_out_exists_all_the_same() -> None:
    found = minutes("Europe/Rome", "2025-03-30 01:59", "2025-03-30 02:30", "2025-03-30 03:00")
    assert None not in found


@pytest.mark.parametrize("local", ["2025-02-30 10:00", "2025-13-01 10:00", "0000-01-01 10:00", "2025-01-01 25:00"])
def test_a_date_that_does_not_exist_is_none(local: str) -> None:
    assert minutes("UTC", local) == [None]


@pytest.mark.parametrize("local", ["0001-01-01 00:00", "9999-12-31 23:59"])
def test_the_ends_of_time_stop_nothing(local: str) -> None:
    for zone in ("Europe/Rome", "America/Lima", "UTC", ""):
        minutes(zone, local)
