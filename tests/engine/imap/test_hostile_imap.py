# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail servers that break the connection, lie, or can do little: a sentence of ours, nothing lost, nothing twice."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import connection
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem, Written
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused, RestanteError, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.engine.imap.scripted_imap import ANNA, DATE, USUAL, Box, Connection, Mail, ScriptedImap, mail


@pytest.fixture
def server(scripted: ScriptedImap) -> ScriptedImap:
    return scripted


class Client:
    """The adapter, and its one account."""

    def __init__(self, server: ScriptedImap, path: Path) -> None:
        self.store = ImapStore(str(path / "mirror"), server.settings)
        account, = self.store.entries(kinds.ACCOUNT)
        self.account = account.entry_id

    def write(self, *numbers: int, import_id: str = "import", folder: str = "2") -> list[Written]:
        """Write messages of these numbers."""
        state = ItemState("", kinds.MESSAGE, folder, flags="fu", date=1_600_000_000_000)
        return self.store.write_items(
            self.account, [NewItem(str(number), state, mail(number)) for number in numbers], import_id
        )

    def names(self) -> list[str]:
        """Return the names of all folders."""
        return [folder.name for folder in self.store.folders(self.account)]

    def present(self) -> list[bytes]:
        """Return the contents of all messages, as the adapter reads them."""
        items = [item.item_id for item in self.store.changes(self.account).items if item.kind == kinds.MESSAGE]
        return [content for content in self.store.read_blobs(self.account, items) if isinstance(content, bytes)]


@pytest.fixture
def client(server: ScriptedImap, tmp_path: Path) -> Iterator[Client]:
    client = Client(server, tmp_path)
    yield client
    client.store.close()


def says(text: bytes) -> Callable[[Connection, bytes, bytes, list[bytes]], bytes]:
    """Answer with these words, the tag where %t is."""
    return lambda _connection, tag, _arguments, _literals: text.replace(b"%t", tag)


def leaves(connection: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> bytes:
    """End the connection."""
    connection.leave()
    return b""


def is_silent(_connection: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> bytes:
    """Say nothing."""
    return b""


def goes_on_for_ever(connection: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> bytes:
    """Say a line without an end."""
    connection.say(b"* ")
    while True:
        connection.say(b"x" * (1 << 20))


# -- what ends in an error ---------------------------------------------------------------------------------------------

BAD_ANSWERS = {
    "nothing": is_silent,
    "the end": leaves,
    "BYE": says(b"* BYE going down\r\n"),
    "garbage": says(b"\x00\xff\x16\x03 what is this\r\n"),
    "garbage that is tagged": says(b"%t MAYBE\r\n"),
    "no": says(b"%t NO I do not like it\r\n"),
    "bad": says(b"%t BAD I do not know it\r\n"),
    "a line without an end": goes_on_for_ever,
    "a literal that is too long": says(b"* LIST () NIL {99999999999999}\r\nx"),
    "a literal without an end": says(b"* LIST () NIL {1000000}\r\nx"),
    "a literal of no size": says(b"* LIST () NIL {-1}\r\n%t OK done\r\n"),
}


@pytest.mark.parametrize("verb", ["", "AUTHENTICATE", "LIST", "UID FETCH"])
@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_is_an_error_that_names_server_and_account(
    server: ScriptedImap, client: Client, verb: str,
    answer: Callable[[Connection, bytes, bytes, list[bytes]], bytes],
) -> None:
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(1)))
    server.settings = dataclasses.replace(server.settings, timeout=1)
    client.store._settings = server.settings
    server.answers[verb] = answer
    before = time.monotonic()
    tracemalloc.start()
    try:
        client.present()
        told = ""
    except RestanteError as error:
        told = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - before < 10
    assert peak < 300_000_000
    if told:
        assert ANNA in told and f"127.0.0.1:{server.settings.port}" in told
    server.answers.clear()
    assert client.present() == [mail(1)]


@pytest.mark.parametrize("line", [b"* OK still here\r\n", b"* 1 FETCH (UID 1)\r\n", b"* LIST () NIL x\r\n"])
@pytest.mark.parametrize("verb", ["LIST", "STATUS", "UID FETCH"])
def test_an_answer_that_does_not_end_is_given_up(
    server: ScriptedImap, client: Client, monkeypatch: pytest.MonkeyPatch, verb: str, line: bytes
) -> None:
    """Each of its lines has an end, and it is no line too late for the timeout."""
    monkeypatch.setattr(connection, "_LONGEST_ANSWER", 1 << 20)
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(1)))

    def goes_on(link: Connection, _tag: bytes, _arguments: bytes, _literals: list[bytes]) -> bytes:
        while True:
            link.say(line * 1000)

    server.answers[verb] = goes_on
    with pytest.raises(Unavailable, match="an answer without an end"):
        client.present()
    server.answers.clear()
    assert client.present() == [mail(1)]


def test_a_wrong_password_is_told(server: ScriptedImap, client: Client) -> None:
    server.answers["AUTHENTICATE"] = says(b"%t NO [AUTHENTICATIONFAILED] wrong\r\n")
    with pytest.raises(Refused, match=f"{server.settings.port}.*master.*{ANNA}.*wrong.*master_password"):
        client.names()


@pytest.mark.parametrize("items", [
    b"UID 1 FLAGS () INTERNALDATE \"31-Foo-0000 99:99:99 +0000\" RFC822.SIZE 7",
    b"UID 1 FLAGS () INTERNALDATE \"\" RFC822.SIZE 7",
    b"FLAGS () INTERNALDATE \"01-Jan-2020 10:00:00 +0000\" RFC822.SIZE 7",
    b"UID 77 FLAGS () INTERNALDATE \"01-Jan-2020 10:00:00 +0000\" RFC822.SIZE 7",
    b"UID 1 FLAGS () INTERNALDATE \"01-Jan-2020 10:00:00 +0000\" RFC822.SIZE many",
    b"UID one FLAGS ((\\Seen",
    b"UID 1 FLAGS (\\Seen \\Unheard-of \\* \xff kw kw KW) INTERNALDATE \"01-Jan-2020 10:00:00 +0000\" RFC822.SIZE 7",
])
def test_a_listing_that_is_none_is_survived(server: ScriptedImap, client: Client, items: bytes) -> None:
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(1)))
    usual = Connection.fetched

    def answer(connection: Connection, tag: bytes, arguments: bytes, _literals: list[bytes]) -> bytes | None:
        if b"BODY.PEEK[]" in arguments:
            return b"* 1 FETCH (UID 99 BODY[] {2}\r\nno)\r\n" + usual(connection, 1, arguments) + (
                b"\r\n* 1 FETCH (BODY[] {2}\r\nno)\r\n" + tag + b" OK done\r\n"
            )
        return b"* 1 FETCH (" + items + b" BODY[HEADER.FIELDS (MESSAGE-ID)] {2}\r\n\r\n)\r\n" + tag + b" OK done\r\n"

    server.answers["UID FETCH"] = answer
    try:
        assert client.present() in ([], [mail(1)])
    except RestanteError as error:
        assert ANNA in str(error)
    server.answers.clear()
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(2)))
    assert sorted(client.present()) == [mail(1), mail(2)]


# -- exactly once ------------------------------------------------------------------------------------------------------

def test_an_append_whose_answer_is_lost_is_done_once(server: ScriptedImap, client: Client) -> None:
    client.write(0)
    lost: list[bytes] = []

    def answer(connection: Connection, _tag: bytes, arguments: bytes, literals: list[bytes]) -> bytes | None:
        if not lost:
            lost.append(connection.do_append(arguments, literals))
            connection.leave()
        return None

    server.answers["APPEND"] = answer
    assert [bool(one.item_id) for one in client.write(1, 2, 3)] == [True] * 3
    assert len(lost) == 1
    assert sorted(server.contents()) == [mail(number) for number in range(4)]
    assert [origin for origin, _item in client.store.imported(client.account, "import")] == ["0", "1", "2", "3"]
    assert [one.existed for one in client.write(0, 1, 2, 3)] == [True] * 4


def test_an_append_without_an_import_whose_answer_is_lost_is_done_once(server: ScriptedImap, client: Client) -> None:
    client.write(0, import_id="")
    lost: list[bytes] = []

    def answer(connection: Connection, _tag: bytes, arguments: bytes, literals: list[bytes]) -> bytes | None:
        if not lost:
            lost.append(connection.do_append(arguments, literals))
            connection.leave()
        return None

    server.answers["APPEND"] = answer
    written = client.write(1, 1, import_id="")
    assert [(one.origin, one.existed, one.error) for one in written] == [("1", False, "")] * 2
    assert written[0].item_id != written[1].item_id
    assert server.contents() == [mail(0), mail(1), mail(1)]


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_client_that_ended_there_is_followed_by_another(
    server: ScriptedImap, tmp_path: Path, carried_out: bool
) -> None:
    def answer(connection: Connection, _tag: bytes, arguments: bytes, literals: list[bytes]) -> bytes:
        if carried_out:
            connection.do_append(arguments, literals)
        server.answers["AUTHENTICATE"] = leaves
        connection.leave()
        return b""

    first = Client(server, tmp_path)
    server.answers["APPEND"] = answer
    with pytest.raises(Unavailable, match=ANNA):
        first.write(1, 2)
    first.store.close()
    server.answers.clear()
    second = Client(server, tmp_path)
    assert [one.existed for one in second.write(1, 2)] == [carried_out] * 2
    assert server.contents() == [mail(1), mail(2)]
    second.store.close()


def test_a_connection_that_ends_in_a_literal_loses_and_doubles_nothing(server: ScriptedImap, client: Client) -> None:
    client.write(0)
    times: list[int] = []

    def end(connection: Connection, _tag: bytes, _line: bytes, _literals: list[bytes]) -> None:
        times.append(1)
        if len(times) == 3:
            connection.leave()

    server.answers["literal"] = end
    client.write(1, 2, 3, 4)
    assert sorted(server.contents()) == [mail(number) for number in range(5)]


@pytest.mark.parametrize("code", [b"", b"[APPENDUID x y] ", b"[APPENDUID 1 1:4294967295] ", b"[APPENDUID 1 9] "])
def test_a_server_that_does_not_tell_which_numbers_it_gave(
    server: ScriptedImap, client: Client, code: bytes
) -> None:
    def answer(connection: Connection, tag: bytes, arguments: bytes, literals: list[bytes]) -> bytes:
        connection.do_append(arguments, literals)
        return tag + b" OK " + code + b"done\r\n"

    server.answers["APPEND"] = answer
    written = client.write(1, 2, 3)
    assert not [one.error for one in written if one.error]
    assert len({one.item_id for one in written}) == 3
    assert [one.existed for one in client.write(1, 2, 3)] == [True] * 3
    assert len(server.contents()) == 3


def test_a_server_that_refuses_several_at_once_gets_them_one_by_one(server: ScriptedImap, client: Client) -> None:
    server.answers["APPEND"] = lambda _connection, tag, _arguments, literals: (
        tag + b" NO one at a time\r\n" if len(literals) > 1 else None
    )
    assert not any(one.error for one in client.write(1, 2, 3))
    assert server.contents() == [mail(1), mail(2), mail(3)]


def test_a_mailbox_that_takes_no_more_keywords_still_takes_mail(server: ScriptedImap, client: Client) -> None:
    tag, = client.store.write_items(client.account, [NewItem("t", ItemState("", kinds.TAG, "", "red"))], "import")
    server.answers["APPEND"] = lambda _connection, name, arguments, _literals: (
        name + b" NO Too many user flags in mailbox\r\n" if b"red" in arguments else None
    )
    state = ItemState("", kinds.MESSAGE, "2", flags="f", tags=(tag.item_id,))
    written, = client.store.write_items(client.account, [NewItem("1", state, mail(1))], "import")
    assert (written.error, "tags" in written.lost) == ("", True)
    assert server.contents() == [mail(1)]


# -- what a server has not, and what it has otherwise ------------------------------------------------------------------

@pytest.mark.parametrize("without", ["", *USUAL.split()[1:]])
def test_a_server_that_lacks_an_extension_does(server: ScriptedImap, client: Client, without: str) -> None:
    server.capabilities = " ".join(word for word in USUAL.split() if word != without)
    works(server, client)


def test_a_server_that_knows_nothing_but_imap4rev1_does(server: ScriptedImap, client: Client) -> None:
    server.capabilities = "IMAP4REV1"
    works(server, client)


def works(server: ScriptedImap, client: Client) -> None:
    """Write, read, change, move and delete."""
    folder, = client.store.write_items(
        client.account, [NewItem("f", ItemState("", kinds.FOLDER, "1", "there"))], "import"
    )
    assert not folder.error
    first, second = client.write(1, 2)
    assert not first.error and not second.error
    assert sorted(client.present()) == [mail(1), mail(2)]
    state = client.store.item(client.account, first.item_id)
    assert state is not None
    client.store.update_item(client.account, state._replace(folder=folder.item_id, flags="r"))
    moved = client.store.item(client.account, first.item_id)
    assert moved is not None and (moved.folder, moved.flags) == (folder.item_id, "r")
    assert client.store.read_blob(client.account, first.item_id) == mail(1)
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(3)))
    assert sorted(client.present()) == [mail(1), mail(2), mail(3)]
    client.store.delete_items(client.account, [second.item_id, folder.item_id])
    assert client.present() == [mail(3)]
    assert list(server.boxes) == [b"INBOX"]


@pytest.mark.parametrize("lie", ["CONDSTORE", "QRESYNC ENABLE", "OBJECTID", "ACL", "X-CREATEDMODSEQ LIST-METADATA"])
def test_an_extension_that_is_claimed_and_refused_is_told_or_done_without(
    server: ScriptedImap, client: Client, lie: str
) -> None:
    server.capabilities += f" {lie}"
    server.boxes[b"INBOX"].add(Mail(b"", DATE, mail(1)))
    server.answers["ENABLE"] = says(b"%t BAD what?\r\n")
    try:
        assert client.present() in ([mail(1)], [])
    except RestanteError as error:
        assert ANNA in str(error) and str(server.settings.port) in str(error)


def test_a_prefix_and_dots_do(server: ScriptedImap, client: Client) -> None:
    server.namespace, server.delimiter = b'(("INBOX." ".")) NIL NIL', b'"."'
    server.boxes[b"INBOX.a.b"] = Box(7)
    folder, = client.store.write_items(
        client.account, [NewItem("f", ItemState("", kinds.FOLDER, "1", "c.d"))], "import"
    )
    assert not folder.error
    assert {"a", "b", "c.d"} <= set(client.names())
    assert b"INBOX.c=2Ed" in server.boxes


def test_a_server_without_a_hierarchy_does(server: ScriptedImap, client: Client) -> None:
    server.namespace, server.delimiter = b'(("" NIL)) NIL NIL', b"NIL"
    server.boxes[b"a/b"] = Box(7)
    top, = client.store.write_items(client.account, [NewItem("f", ItemState("", kinds.FOLDER, "1", "c/d"))], "import")
    below, = client.store.write_items(
        client.account, [NewItem("g", ItemState("", kinds.FOLDER, top.item_id, "e"))], "import"
    )
    assert not top.error and "no folders below" in below.error
    assert {"a/b", "c/d"} <= set(client.names())


@pytest.mark.parametrize("line", [
    b'* LIST (\\Odd \\Marked \\HasNoChildren) "/" "Odd &AB"',
    b'* LIST () "/" "&2D0-"', b'* LIST () "/" "raw \xe4"', b'* LIST () "/" {7}\r\nlit "er', b'* LIST () NIL plain',
])
def test_a_mailbox_may_be_called_anything(server: ScriptedImap, client: Client, line: bytes) -> None:
    server.capabilities = "IMAP4REV1 UIDPLUS"

    def answer(connection: Connection, tag: bytes, arguments: bytes, _literals: list[bytes]) -> bytes | None:
        if arguments == b'"" ""':
            return None
        return b'* LIST () "/" INBOX\r\n' + line + b"\r\n" + tag + b" OK done\r\n"

    server.answers["LIST"] = answer
    standing = b"* STATUS x (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 5)\r\n%s OK done\r\n"
    server.answers["STATUS"] = lambda _connection, tag, arguments, _literals: (
        None if b"X-GUID" in arguments else standing % tag
    )
    server.answers["SELECT"] = says(b"%t OK [READ-WRITE] done\r\n")
    assert len(client.names()) == 3
    assert client.names() == client.names()


def test_what_cannot_be_selected_is_a_folder_and_what_does_not_exist_is_none(
    server: ScriptedImap, client: Client
) -> None:
    server.boxes[b"above"] = Box(3, b"\\NoSelect")
    server.boxes[b"above/below"] = Box(4)
    server.boxes[b"ghost"] = Box(5, b"\\NonExistent \\NoSelect")
    assert sorted(client.names()) == ["", "Inbox", "above", "below"]
    above = next(folder for folder in client.store.folders(client.account) if folder.name == "above")
    refused, = client.write(1, folder=above.item_id)
    assert "keeps no mail" in refused.error


def test_numbers_that_go_back_lose_nothing(server: ScriptedImap, client: Client) -> None:
    client.write(1, 2, 3)
    box = server.boxes[b"INBOX"]
    box.mails.clear()
    box.uidnext = 1
    box.add(Mail(b"", DATE, mail(4)))
    assert client.present() == [mail(4)]
    box.uidnext = 1  # it says so, and it is not true
    assert client.present() == [mail(4)]
    assert [one.existed for one in client.write(1, 2, 3)] == [True] * 3


def test_an_account_without_an_inbox_is_told(server: ScriptedImap, client: Client) -> None:
    server.boxes.clear()
    with pytest.raises(Refused, match=f"no INBOX of {ANNA}"):
        client.names()


def test_a_folder_that_another_client_deletes_meanwhile_is_told(server: ScriptedImap, client: Client) -> None:
    folder, = client.store.write_items(
        client.account, [NewItem("f", ItemState("", kinds.FOLDER, "1", "there"))], "import"
    )
    del server.boxes[b"there"]
    refused, = client.write(1, folder=folder.item_id)
    assert "no such mailbox" in refused.error
    assert "there" not in client.names()
    good, = client.write(1)
    assert not good.error
