# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail servers that end the connection at a message, open a folder to nobody, count wrongly, or have narrow limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import connection, notes, session
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem, Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from strategies_kit import scanned

from tests.engine.imap.scripted_imap import ANNA, DATE, Box, Connection, Mail, ScriptedImap, mail

LIMIT = 8000
"""Bytes of a command (RFC 7162 section 4)."""


@pytest.fixture
def server(scripted: ScriptedImap) -> ScriptedImap:
    return scripted


@pytest.fixture
def store(server: ScriptedImap, tmp_path: Path) -> Iterator[ImapStore]:
    store = ImapStore(str(tmp_path / "mirror"), server.settings)
    yield store
    store.close()


def anna(store: ImapStore) -> str:
    """Return the id of the one account."""
    account, = store.entries(kinds.ACCOUNT)
    return account.entry_id


def messages(store: ImapStore) -> dict[str, ItemState]:
    """Return all messages as they are now."""
    return {item.item_id: item for item in store.changes(anna(store)).items if item.kind == kinds.MESSAGE}


def read(store: ImapStore) -> list[bytes | Exception]:
    """Return the contents of all messages, and why one cannot be read."""
    return list(store.read_blobs(anna(store), list(messages(store))))


def written(store: ImapStore, *numbers: int) -> list[Written]:
    """Write messages of these numbers."""
    state = ItemState("", kinds.MESSAGE, "2", flags="fu", date=1_600_000_000_000)
    return store.write_items(anna(store), [NewItem(str(one), state, mail(one)) for one in numbers], "import")


def dies_at(uid: int, item: bytes, times: int = 1000) -> object:
    """End the connection where a message is asked for something, so many times."""
    left = [times]

    def answer(link: Connection, tag: bytes, arguments: bytes, _literals: list[bytes]) -> bytes | None:
        chosen, _unused, items = arguments.partition(b" ")
        if item not in items or uid not in link._chosen(chosen) or not left[0]:
            return None
        left[0] -= 1
        for one in link._chosen(chosen):
            if one == uid:
                link.say(b"* BYE FETCH failed\r\n")
                link.leave()
            link.say(link.fetched(one, items) + b"\r\n")
        return tag + b" OK done\r\n"

    return answer


# -- one message is not all --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("item", [b"RFC822.SIZE", b"BODY.PEEK[]"])
def test_a_message_at_which_the_server_ends_the_connection_costs_no_other(
    server: ScriptedImap, store: ImapStore, tmp_path: Path, item: bytes
) -> None:
    for number in range(1, 10):
        server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(number)))
    server.answers["UID FETCH"] = dies_at(4, item)
    found = read(store)
    assert len(found) == 9
    if item == b"BODY.PEEK[]":
        error, = (one for one in found if isinstance(one, Exception))
        assert re.search(f"{server.settings.port} ends the connection.*UID 4 in 'INBOX' of {ANNA}", str(error))
        assert {one for one in found if isinstance(one, bytes)} == {mail(one) for one in range(1, 10) if one != 4}
        report = scanned(lambda: ImapStore(str(tmp_path / "mirror"), server.settings), tmp_path / "backup")
        assert (report.new_blobs, report.read_errors) == (8, 1)
    else:
        assert set(found) == {mail(one) for one in range(1, 10)}


@pytest.mark.parametrize("item", [b"RFC822.SIZE", b"BODY.PEEK[]"])
def test_a_connection_that_ends_once_costs_nothing(server: ScriptedImap, store: ImapStore, item: bytes) -> None:
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(1)))
    server.answers["UID FETCH"] = dies_at(1, item, times=1)
    assert read(store) == [mail(1)]
    assert [one.size for one in messages(store).values()] == [len(mail(1))]


def test_a_server_that_always_ends_the_connection_is_given_up(
    server: ScriptedImap, store: ImapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_REOPENED", 5)
    for number in range(1, 10):
        server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(number)))
    server.answers["UID FETCH"] = lambda link, _tag, arguments, _literals: (
        link.leave() if b"BODY.PEEK[]" in arguments else None
    )
    with pytest.raises(Unavailable, match=f"ends the connection for {ANNA} ever again"):
        read(store)


def test_a_folder_that_cannot_be_opened_stays_and_is_told(
    server: ScriptedImap, store: ImapStore, tmp_path: Path
) -> None:
    server.boxes[b"locked"] = Box(9)
    server.boxes[b"locked"].add(Mail(b"", DATE, mail(1)))
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(2)))

    def scan() -> tuple[int, int, int, str]:
        report = scanned(lambda: ImapStore(str(tmp_path / "mirror"), server.settings), tmp_path / "backup")
        reasons = "".join(one.reason for one in report.failures)
        return report.new_items, report.deleted_items, report.read_errors, reasons

    assert scan()[1:] == (0, 0, "")
    # Such a mailbox is listed without its status, and nothing is said of the reason.
    server.answers["LIST"] = lambda link, tag, arguments, _literals: b"".join(
        line + b"\r\n" for line in link.do_list(arguments, []).split(b"\r\n")[:-1] if b'STATUS "locked"' not in line
    ) + tag + b" OK done\r\n"
    server.answers["STATUS"] = lambda _connection, tag, arguments, _literals: (
        tag + b" NO [NOPERM] it is locked\r\n" if b"locked" in arguments else None
    )
    for _unused in range(2):  # also when nothing has changed
        new, deleted, errors, reason = scan()
        assert (new, deleted, errors) == (0, 0, 1)
        assert "'locked' was not looked at" in reason and "it is locked" in reason
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(3)))
    assert scan()[:3] == (1, 0, 1)
    server.answers.clear()
    assert scan() == (0, 0, 0, "")


def test_a_folder_that_is_gone_since_it_was_listed_is_gone(server: ScriptedImap, store: ImapStore) -> None:
    server.capabilities = "IMAP4REV1 UIDPLUS"
    server.boxes[b"going"] = Box(9)

    def answer(_connection: Connection, _tag: bytes, arguments: bytes, _literals: list[bytes]) -> None:
        if b"going" in arguments:
            server.boxes.pop(b"going", None)

    server.answers["STATUS"] = answer
    assert sorted(folder.name for folder in store.folders(anna(store))) == ["", "Inbox"]


def test_messages_that_are_expunged_while_they_are_listed_cost_no_other(server: ScriptedImap, store: ImapStore) -> None:
    for number in (1, 2):
        server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(number)))
    server.answers["UID FETCH"] = lambda link, tag, arguments, _literals: (
        link.fetched(2, arguments.partition(b" ")[2]) + b"\r\n" + tag + b" NO [EXPUNGEISSUED] some are gone\r\n"
    )
    assert read(store) == [mail(2)]


# -- limits ------------------------------------------------------------------------------------------------------------

def test_a_message_that_may_be_too_large_is_announced_first(
    server: ScriptedImap, store: ImapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cyrus ends the connection where what it does not take is sent without asking."""
    monkeypatch.setattr(session, "_LARGE", 1000)

    def literal(link: Connection, _tag: bytes, line: bytes, _literals: list[bytes]) -> None:
        size = re.search(rb"\{(\d+)(\+?)\}$", line)
        if size and int(size[1]) >= 1000 and size[2]:
            link.leave()

    written(store, 1)  # from now on flags need not be proven
    server.answers["literal"] = literal
    server.answers["APPEND"] = lambda _connection, tag, _arguments, literals: (
        tag + b" NO [TOOBIG] too large\r\n" if any(len(one) >= 1000 for one in literals) else None
    )
    state = ItemState("", kinds.MESSAGE, "2", flags="fu", date=1_600_000_000_000)
    large = NewItem("large", state, mail(2) + b"x" * 1000)
    done = store.write_items(anna(store), [large, NewItem("3", state, mail(3))], "import")
    assert ["too large" in one.error for one in done] == [True, False]
    assert server.contents() == [mail(1), mail(3)]


def test_commands_have_lines_that_servers_take(server: ScriptedImap, store: ImapStore) -> None:
    server.boxes[b"INBOX"].uidnext = 10**9
    for number in range(2500):
        server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(number)))
    longest: list[int] = []

    def answer(_connection: Connection, tag: bytes, arguments: bytes, _literals: list[bytes]) -> bytes | None:
        longest.append(len(arguments))
        return tag + b" BAD Too long argument\r\n" if len(arguments) > LIMIT else None

    server.answers.update({"UID STORE": answer, "UID EXPUNGE": answer})
    by_uid = sorted(messages(store))
    store.delete_items(anna(store), by_uid[::2])
    assert max(longest) <= LIMIT
    assert len(server.contents()) == 1250


def test_what_others_have_marked_as_deleted_stays_where_all_marked_goes_at_once(
    server: ScriptedImap, store: ImapStore
) -> None:
    server.capabilities = "IMAP4REV1"
    theirs = server.boxes[b"INBOX"].add(Mail(b"\\Seen \\Deleted", DATE, mail(1)))
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(2)))
    doomed, = (item for item, state in messages(store).items() if "x" not in state.flags)
    store.delete_items(anna(store), [doomed])
    assert server.contents() == [mail(1)]
    assert server.boxes[b"INBOX"].mails[theirs].words == b"\\Seen \\Deleted"


# -- what is counted wrongly -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrong", [1, 77])
def test_a_server_that_tells_a_wrong_number_of_what_it_took(server: ScriptedImap, store: ImapStore, wrong: int) -> None:
    server.boxes[b"INBOX"].add(Mail(b"", DATE, b"Subject: another\r\n\r\nand longer than those\r\n"))

    def answer(link: Connection, tag: bytes, arguments: bytes, literals: list[bytes]) -> bytes:
        link.do_append(arguments, literals)
        return tag + b" OK [APPENDUID 1 %d] done\r\n" % wrong

    server.answers["APPEND"] = answer
    done, = written(store, 1)
    assert not done.error and store.read_blob(anna(store), done.item_id) == mail(1)
    again, = written(store, 1)
    assert again.existed and again.item_id == done.item_id
    assert len(server.contents()) == len(messages(store)) == 2


def test_a_server_that_does_not_tell_the_next_number(server: ScriptedImap, store: ImapStore) -> None:
    server.capabilities = "IMAP4REV1"
    server.answers["STATUS"] = lambda _connection, tag, arguments, _literals: (
        None if b"X-GUID" in arguments
        else b'* STATUS "INBOX" (MESSAGES %d UIDVALIDITY 1)\r\n' % len(server.boxes[b"INBOX"].mails) + tag
        + b" OK done\r\n"
    )
    for number in (1, 2, 3):
        uid = server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(number)))
        assert len(messages(store)) == number
    server.boxes[b"INBOX"].mails[uid].words = b"\\Seen"
    store.changes(anna(store), "")
    assert [state.flags for state in messages(store).values()].count("") == 1
    done, = written(store, 4)
    assert not done.error and written(store, 4)[0].existed


# -- who is let in -----------------------------------------------------------------------------------------------------

def test_a_server_that_lets_nobody_in_now_may_be_asked_later(server: ScriptedImap, store: ImapStore) -> None:
    server.answers["AUTHENTICATE"] = lambda _connection, tag, _arguments, _literals: (
        tag + b" NO [UNAVAILABLE] Maximum number of connections exceeded\r\n"
    )
    with pytest.raises(Unavailable, match=f"{server.settings.port}.*{ANNA}.*Maximum number"):
        store.folders(anna(store))


# -- names -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("takes", "called"), [(True, b" a "), (False, b"=20a=20")])
def test_spaces_around_a_name_stay_where_the_server_takes_them(
    server: ScriptedImap, store: ImapStore, takes: bool, called: bytes
) -> None:
    server.answers["CREATE"] = lambda _connection, tag, arguments, _literals: (
        tag + b" NO no space there\r\n" if b'" ' in arguments and not takes else None
    )
    state = ItemState("", kinds.FOLDER, "1", " a ")
    done, = store.write_items(anna(store), [NewItem("f", state)], "import")
    assert not done.error and called in server.boxes
    assert " a " in [folder.name for folder in store.folders(anna(store))]


@pytest.mark.parametrize("extended", [True, False])
def test_all_namespaces_of_an_account_are_its_own(server: ScriptedImap, store: ImapStore, extended: bool) -> None:
    if not extended:
        server.capabilities = "IMAP4REV1 NAMESPACE UIDPLUS"
    server.namespace, server.delimiter = b'(("Archive." ".")("INBOX." ".")) (("user." ".")) (("" "."))', b'"."'
    names = (
        b"INBOX", b"INBOX.a", b"INBOX.INBOX", b"INBOX.INBOX.b", b"Archive.old", b"INBOX.Archive.old",
        b"user.ben.c", b"d",
    )
    for number, name in enumerate(names):
        box = server.boxes[name] = Box(number + 1, subscribed=True)
        box.add(Mail(b"", DATE, mail(number)))
    assert sorted(map(bytes, read(store))) == [mail(number) for number in range(6)]
    folders = {folder.item_id: folder for folder in store.folders(anna(store))}
    inside = {(folders[folder.folder].name if folder.folder else "", folder.name) for folder in folders.values()}
    assert inside >= {("", "Inbox"), ("", "a"), ("Inbox", "b"), ("Archive", "old")}
    assert all("*" in folder.flags for folder in folders.values() if folder.name in ("Inbox", "a", "b", "old"))
    inbox = NewItem("f", ItemState("", kinds.FOLDER, "2", "new"))
    done, = store.write_items(anna(store), [inbox], "import")
    assert not done.error and b"INBOX.INBOX.new" in server.boxes


# -- what a server comes to grief with ---------------------------------------------------------------------------------

@pytest.mark.parametrize("taken", [False, True], ids=["and takes nothing", "and has taken all"])
def test_a_message_that_ends_the_server_costs_no_other(server: ScriptedImap, store: ImapStore, taken: bool) -> None:
    def answer(link: Connection, _tag: bytes, arguments: bytes, literals: list[bytes]) -> None:
        if mail(2) in literals:
            if taken:
                link.do_append(arguments, literals)
            link.leave()

    server.answers["APPEND"] = answer
    done = written(store, *range(1, 7))
    assert ["ends the connection" in one.error for one in done] == [not taken and one == 2 for one in range(1, 7)]
    assert sorted(server.contents()) == [mail(one) for one in range(1, 7) if taken or one != 2]
    assert [one.existed for one in written(store, 1, 3, 4, 5, 6)] == [True] * 5


def test_a_message_that_was_cut_off_once_keeps_its_tags(server: ScriptedImap, store: ImapStore) -> None:
    tag, = store.write_items(anna(store), [NewItem("t", ItemState("", kinds.TAG, "", "red"))], "import")
    times: list[int] = []

    def answer(link: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> None:
        times.append(1)
        if len(times) == 1:
            link.leave()

    server.answers["APPEND"] = answer
    state = ItemState("", kinds.MESSAGE, "2", flags="f", tags=(tag.item_id,), date=1_600_000_000_000)
    done, = store.write_items(anna(store), [NewItem("1", state, mail(1))], "import")
    assert (done.error, done.lost) == ("", ())
    assert [b"red" in message.words for message in server.boxes[b"INBOX"].mails.values()] == [True]


def test_a_folder_in_which_mail_arrives_all_the_time_is_not_waited_for_for_ever(
    server: ScriptedImap, store: ImapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_TIMES", 5)
    written(store, 1)

    def answer(link: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> None:
        server.answers["LIST"] = lambda _link, _tag, _arguments, _literals: (
            server.boxes[b"INBOX"].add(Mail(b"", DATE, b"Subject: one more\r\n\r\n")), None
        )[1]
        server.answers.pop("APPEND")
        link.leave()

    server.answers["APPEND"] = answer
    assert not any(one.error for one in written(store, 2, 3))
    assert [mail(one) in server.contents() for one in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize("verb", ["LIST", "UID FETCH"])
def test_words_for_people_that_end_like_a_literal_have_none(server: ScriptedImap, store: ImapStore, verb: str) -> None:
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(1)))

    def answer(link: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> None:
        link.say(b"* NO [ALERT] There is little room in {5}\r\n")

    server.answers[verb] = answer
    assert read(store) == [mail(1)]
