# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searching a mailbox.log and its rotated files: what is found, and what stands in the way."""

from __future__ import annotations

import contextlib
import gzip
import os
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore import log_files, log_search
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.log_search import Found, LogSearch, Wanted
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ANN, BOB = "name=ann@example.com;mid=7;ip=10.0.0.1;", "name=bob@example.com;mid=8;ip=10.0.0.2;"
MIB = 1024 * 1024


def line(message: str, at: str = "2025-10-15 10:00:00", context: str = ANN, logger: str = "mailop") -> bytes:
    return f"{at},123 INFO  [qtp123-45] [{context}] {logger} - {message}\n".encode()


def added(item: int, message_id: str, context: str = ANN) -> bytes:
    message = f"Adding Message: id={item}, Message-ID={message_id}, parentId=-1, folderId=2, folderName=Inbox."
    return line(message, "2025-10-15 09:00:00", context)


def delivering(sender: str, message_id: str) -> bytes:
    message = f"Delivering message: size=840 bytes, nrcpts=1, sender={sender}, msgid={message_id}"
    return line(message, "2025-10-15 09:00:00", "ip=1.2.3.4;", "lmtp")


def moved(item: int, at: str = "2025-10-15 10:00:00", context: str = ANN, folder: str = "Trash (id=3)") -> bytes:
    return line(f"moving Message (id={item}) to Folder {folder}", at, context)


class Log:
    """A log in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "mailbox.log"
        self.problems: list[Exception] = []
        self.read: list[str] = []

    def write(self, *lines: bytes, ending: str = "") -> Path:
        path = self.directory / f"mailbox.log{ending}"
        content = b"".join(lines)
        path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
        return path

    def search(self, rotated: bool = True, zone: str = "UTC", **wanted: Any) -> list[Found]:
        with contextlib.closing(LogSearch(str(self.path), Wanted(**wanted), moment.zone(zone), rotated)) as search:
            found = list(search.found())
        self.problems, self.read = list(search.problems), [Path(path).name for path in search.read]
        return found

    def ids(self, **wanted: Any) -> list[str]:
        return [found.event.item_id for found in self.search(**wanted)]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    directory = tmp_path / "log"
    directory.mkdir()
    return Log(directory)


def at(text: str) -> int:
    found = moment.parse(text, "UTC")
    assert isinstance(found, int)
    return found


def actions(found: Iterable[Found]) -> list[tuple[str, str]]:
    return [(one.event.action, one.event.item_id) for one in found]


# -- finding -----------------------------------------------------------------------------------------------------------


def test_a_move_to_trash_and_its_emptying_are_found(log: Log) -> None:
    """R-025: the lines of the documentation."""
    log.write(
        b"2020-07-18 15:22:01,495 INFO [btpool0-4361://localhost/service/soap/MsgActionRequest] "
        b"mailop - moving Message (id=339) to Folder Trash (id=3)\n",
        b"2020-07-18 15:25:08,962 INFO  [btpool0-4364://localhost/service/soap/FolderActionRequest] "
        b"mailbox - Emptying 9 items from /Trash, removeSubfolders=true.\n",
    )
    assert actions(log.search(folder="Trash")) == [("moved", "339"), ("emptied", "")]
    assert actions(log.search(item_id="339")) == [("moved", "339"), ("emptied", "339")]
    assert log.search(item_id="339")[0].at == at("2020-07-18T15:22:01.495Z")


def test_what_happened_is_found_by_time_item_account_folder_and_action(log: Log) -> None:
    """R-025."""
    log.write(
        moved(300, "2025-10-15 10:00:00"),
        moved(300, "2025-10-15 11:00:00", BOB),
        moved(301, "2025-10-15 12:00:00", folder="Bills (id=290)"),
        line("Deleting MESSAGES: 301,302", "2025-10-15 13:00:00"),
    )
    assert log.ids() == ["300", "300", "301", "301", "302"]
    assert log.ids(start=at("2025-10-15 12:00"), end=at("2025-10-15 13:00")) == ["301"]
    assert [one.account for one in log.search(item_id="300")] == ["ann@example.com", "bob@example.com"]
    for account in ("ANN@example.com", "7"):
        assert log.ids(account=account) == ["300", "301", "301", "302"]
    for folder in ("bills", "/Bills", "290"):
        assert log.ids(folder=folder) == ["301"]
    assert log.ids(actions=("deleted",)) == ["301", "302"]
    assert log.ids(actions=("deleted",), item_id="302", account="8") == []


def test_a_message_is_followed_by_its_message_id_and_its_sender(log: Log) -> None:
    """R-025: the line of a move has neither; another mailbox may have the same item id."""
    log.write(
        delivering("Bank@example.net", "<1@b>"), added(300, "<1@b>"), added(301, "<2@b>"), added(300, "<3@b>", BOB),
        moved(300), moved(300, context=BOB), moved(301), line("Deleting Message (id=300)."),
    )
    expected = [("added", "300"), ("moved", "300"), ("deleted", "300")]
    for wanted in ({"message_id": "1@b"}, {"message_id": "<1@b>"}, {"sender": "bank@"}):
        found = [one for one in log.search(**wanted) if one.event.item_id]
        assert actions(found) == expected
        assert {one.event.sender for one in found} == {"Bank@example.net"}
        assert {one.account for one in found} == {"ann@example.com"}
    late = log.search(message_id="<1@b>", start=at("2025-10-15 09:30"))
    assert actions(late) == expected[1:]
    assert log.ids(message_id="<9@b>") == [] and log.ids(sender="nobody") == []


def test_a_copy_is_followed_too(log: Log) -> None:
    log.write(
        added(300, "<1@b>"),
        line("Copying Message (id=300): copyId=302, folderId=5, folderName=Sent, parentId=-1."),
        moved(302),
    )
    assert actions(log.search(message_id="<1@b>")) == [("added", "300"), ("copied", "302"), ("moved", "302")]
    assert actions(log.search(item_id="300")) == [("added", "300"), ("copied", "302")]


def test_what_was_never_delivered_is_found(log: Log) -> None:
    log.write(
        line("rejecting message from=x@y.z,to=ann@example.com: overquota", logger="lmtp", context="ip=1.2.3.4;"),
        line("Not delivering message with duplicate Message-ID <5@b>", logger="lmtp"),
    )
    (refused,) = log.search(sender="x@y.z")
    assert (refused.account, refused.event.reason) == ("ann@example.com", "rejecting overquota")
    (duplicate,) = log.search(message_id="<5@b>")
    assert duplicate.event.action == "not_delivered"


def test_who_did_it_is_told(log: Log) -> None:
    log.write(moved(300, context="name=ann@example.com;aname=admin@example.com;mid=7;ip=10.0.0.1;oip=1.2.3.4;ua=zm/1;"))
    (found,) = log.search()
    assert (found.by, found.ip, found.client, found.line) == ("admin@example.com", "1.2.3.4", "zm/1", 1)


def test_the_time_is_that_of_the_zone_of_the_log(log: Log) -> None:
    """R-299: daylight saving time included."""
    log.write(
        moved(1, "2025-10-26 01:59:00"), moved(2, "2025-10-26 02:30:00"), moved(3, "2025-10-26 02:55:00"),
        line("SyncRequest elapsed=1", "2025-10-26 02:05:00", logger="soap"),
        moved(4, "2025-10-26 02:30:00"), moved(5, "2025-10-26 03:30:00"),
    )
    found = log.search(zone="Europe/Rome")
    assert [moment.iso(one.at)[11:16] for one in found] == ["23:59", "00:30", "00:55", "01:30", "02:30"]


@pytest.mark.parametrize("wanted", [{"start": 5, "end": 5}, {"start": 6, "end": 5}, {"actions": ("eaten",)}])
def test_what_nothing_can_match_is_refused(log: Log, wanted: dict[str, Any]) -> None:
    log.write(moved(1))
    with pytest.raises(InvalidInput):
        log.search(**wanted)


def test_results_hold_nothing_of_the_mail(log: Log) -> None:
    log.write(added(300, "<1@b>"), line("SendMsgRequest subject=Secret", logger="soap"))
    assert "Secret" not in repr([one.to_json() for one in log.search()])


OPERATIONS = st.tuples(
    st.sampled_from(["added", "moved", "deleted"]), st.sampled_from([ANN, BOB]), st.integers(300, 304),
    st.sampled_from(["Trash", "Bills"]), st.integers(1, 4),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(OPERATIONS, max_size=30), st.sampled_from(["", "300", "301"]),
    st.sampled_from(["", "ann@example.com", "8"]), st.sampled_from(["", "<1@b>", "2@b"]),
    st.sampled_from(["", "trash"]), st.integers(0, 30), st.integers(31, 59),
)
def test_what_is_found_is_what_a_simple_model_says(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, str, int, str, int]], item: str, account: str,
    message_id: str, folder: str, start: int, end: int,
) -> None:
    """R-025: all filters at once, against a model that forgets nothing."""
    log = Log(tmp_path_factory.mktemp("log"))
    lines, expected = [], []
    known: dict[tuple[str, int], set[str]] = {}
    for minute, (action, context, number, name, mail) in enumerate(operations):
        when = f"2025-10-15 10:{minute:02}:00"
        if action == "added":
            known[context, number] = f"<{mail}@b>"
            place = f"parentId=-1, folderId=2, folderName={name}."
            lines.append(line(f"Adding Message: id={number}, Message-ID=<{mail}@b>, {place}", when, context))
        elif action == "moved":
            lines.append(moved(number, when, context, f"{name} (id=3)"))
        else:
            lines.append(line(f"Deleting Message (id={number}).", when, context))
        if (
            item in ("", str(number)) and (not account or account in context or f"mid={account};" in context)
            and (not message_id or message_id.strip("<>") == known.get((context, number), "").strip("<>"))
            and (not folder or (action != "deleted" and name.lower() == folder)) and start <= minute < end
        ):
            expected.append((action, str(number)))
    log.write(*lines)
    found = log.search(
        item_id=item, account=account, message_id=message_id, folder=folder,
        start=at(f"2025-10-15 10:{start:02}"), end=at(f"2025-10-15 10:{end:02}"),
    ) if lines else []
    assert actions(found) == expected


# -- files -------------------------------------------------------------------------------------------------------------


def test_rotated_and_compressed_files_are_read_oldest_first(log: Log) -> None:
    """R-025."""
    log.write(moved(4, "2025-10-16 10:00:00"))
    log.write(moved(3, "2025-10-15 10:00:00"), ending=".2025-10-15")
    log.write(moved(2, "2025-10-14 10:00:00"), ending=".2025-10-14.gz")
    log.write(moved(1, "2025-10-13 10:00:00"), ending="-20251013.gz")
    log.write(b"not one of them", ending=".bak")
    (log.directory / "mailbox.logger").write_bytes(moved(99))
    assert log.ids() == ["1", "2", "3", "4"]
    assert log.read == ["mailbox.log-20251013.gz", "mailbox.log.2025-10-14.gz", "mailbox.log.2025-10-15", "mailbox.log"]
    assert log.ids(rotated=False) == ["4"]
    log.path.unlink()
    assert log.ids() == ["1", "2", "3"]


def test_numbered_files_are_read_oldest_first(log: Log) -> None:
    log.write(moved(13))
    for number in (1, 2, 10):
        log.write(moved(13 - number), ending=f".{number}.gz" if number > 1 else ".1")
    assert log.ids() == ["3", "11", "12", "13"]


def test_files_of_other_days_are_left_alone(log: Log) -> None:
    for day in range(10, 20):
        log.write(moved(day, f"2025-10-{day} 10:00:00"), ending=f".2025-10-{day}")
    log.write(moved(20, "2025-10-20 10:00:00"))
    assert log.ids(start=at("2025-10-15"), end=at("2025-10-16")) == ["15"]
    assert log.read == [f"mailbox.log.2025-10-{day}" for day in (13, 14, 15, 16, 17)] + ["mailbox.log"]
    log.search(start=at("2025-10-15"), item_id="15")  # what came before may say what it is
    assert len(log.read) == 11


def test_a_file_rotated_while_it_is_read_is_read_once_and_whole(log: Log) -> None:
    log.write(moved(1), moved(2))
    with contextlib.closing(LogSearch(str(log.path), Wanted())) as search:
        found = search.found()
        assert next(found).event.item_id == "1"
        log.path.rename(log.directory / "mailbox.log.2025-10-15")
        log.write(moved(3))
        assert [one.event.item_id for one in found] == ["2"]


def test_a_log_rotated_between_its_opening_and_the_listing_is_read_once(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(moved(1))
    listdir = os.listdir

    def rotating(directory: str) -> list[str]:
        log.path.rename(log.directory / "mailbox.log.2025-10-15")
        log.write(moved(2))
        return listdir(directory)

    monkeypatch.setattr(log_files.os, "listdir", rotating)
    assert log.ids() == ["1"]


def test_a_file_compressed_while_others_are_read_is_found_under_its_new_name(log: Log) -> None:
    log.write(moved(1), ending=".2025-10-14")
    log.write(moved(2), ending=".2025-10-15")
    log.write(moved(3))
    with contextlib.closing(LogSearch(str(log.path), Wanted())) as search:
        found = search.found()
        assert next(found).event.item_id == "1"
        (log.directory / "mailbox.log.2025-10-15").unlink()
        log.write(moved(2), ending=".2025-10-15.gz")
        assert [one.event.item_id for one in found] == ["2", "3"]


def test_a_file_that_is_being_compressed_is_read_from_the_plain_one(log: Log) -> None:
    log.write(moved(1), ending=".2025-10-14")
    (log.directory / "mailbox.log.2025-10-14.gz").write_bytes(gzip.compress(moved(1))[:20])
    log.write(moved(2))
    assert log.ids() == ["1", "2"] and not log.problems


def test_a_rotated_file_that_vanishes_is_reported_and_the_others_are_read(log: Log) -> None:
    log.write(moved(1), ending=".2025-10-14")
    log.write(moved(2))
    with contextlib.closing(LogSearch(str(log.path), Wanted())) as search:
        (log.directory / "mailbox.log.2025-10-14").unlink()
        assert [one.event.item_id for one in search.found()] == ["2"]
        assert [type(problem) for problem in search.problems] == [NotFound]


def test_a_log_that_grows_is_read_as_it_was(log: Log) -> None:
    log.write(moved(1))
    with contextlib.closing(LogSearch(str(log.path), Wanted())) as search:
        with log.path.open("ab") as file:
            file.write(moved(2))
        assert [one.event.item_id for one in search.found()] == ["1"]


def test_a_log_that_is_cut_back_while_it_is_read_ends_there(log: Log) -> None:
    log.write(*(moved(number) for number in range(20_000)))
    with contextlib.closing(LogSearch(str(log.path), Wanted())) as search:
        found = search.found()
        next(found)
        os.truncate(log.path, 0)
        assert len(list(found)) < 20_000


def test_a_line_without_an_end_is_doubtful(log: Log) -> None:
    log.write(moved(1), line("Deleting MESSAGES: 300,301").rstrip()[:-1])
    found = log.search()
    assert [(one.event.item_id, one.event.doubtful) for one in found] == [("1", False), ("300", True), ("30", True)]


@pytest.mark.parametrize(
    ("place", "said"), [("missing", "is not there"), ("directory", "is no file"), ("pipe", "is no file")]
)
def test_what_is_no_file_is_told(log: Log, place: str, said: str) -> None:
    if place == "directory":
        log.path.mkdir()
    elif place == "pipe":
        os.mkfifo(log.path)
    with pytest.raises((NotFound, InvalidInput), match=f"{said}; name a mailbox.log"):
        log.search()


def test_a_log_that_may_not_be_read_needs_an_administrator(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-026."""
    log.write(moved(1))

    def refusing(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(log_files.os, "open", refusing)
    with pytest.raises(Refused, match="administrative access"):
        log.search()


# -- hostile -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [bytes(range(256)) * 500, b"\0" * 200_000, os.urandom(100_000), b"no log\n" * 9])
def test_a_log_that_is_binary_is_refused(log: Log, content: bytes) -> None:
    log.write(content)
    with pytest.raises(InvalidInput, match="no mailbox.log"):
        log.search()


def test_one_binary_file_does_not_stop_the_others(log: Log) -> None:
    log.write(os.urandom(100_000), ending=".2025-10-13")
    log.write(gzip.compress(os.urandom(100_000)), ending=".2025-10-14")
    log.write(moved(1))
    assert log.ids() == ["1"] and len(log.problems) == 2


def test_an_empty_log_has_nothing_to_tell(log: Log) -> None:
    log.write()
    assert log.search() == [] and not log.problems


def test_bytes_that_are_no_text_do_not_hide_what_comes_after(log: Log) -> None:
    log.write(b"\0" * 5000, moved(1), b"\xff\xfe\x00\n\r\n" * 20, moved(2), b"\tat com.zimbra.X(Y.java:1)\n", moved(3))
    assert log.ids()[-2:] == ["2", "3"]


def test_lines_behind_one_that_breaks_off_are_doubtful(log: Log) -> None:
    """A client's name with a line break in it can forge lines."""
    agent = f"x\n{moved(9).decode().rstrip()}\n"
    log.write(moved(1), line("NoOpRequest", context=f"name=eve;ua={agent};soapId=1;", logger="soap"), moved(2))
    assert [(one.event.item_id, one.event.doubtful) for one in log.search()] == [("1", False), ("9", True), ("2", True)]


def test_a_doubt_ends(log: Log) -> None:
    rest = [line("NoOpRequest elapsed=1", logger="soap")] * 700
    log.write(b"2025-10-15 10:00:00,123 INFO  [q] [name=eve;ua=x\n", *rest, moved(2))
    assert [one.event.doubtful for one in log.search()] == [False]


def peak_of(work: Callable[[], Any]) -> int:
    """Return the bytes of memory that something takes at most."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_huge_line_is_passed_over(log: Log) -> None:
    log.write(moved(1), line("x" * 8 * MIB, logger="soap"), line("Deleting MESSAGES: " + "5123," * 2 * MIB), moved(2))
    found = log.search(item_id="2")
    assert [(one.event.item_id, one.line) for one in found] == [("2", 4)]
    assert {one.event.doubtful for one in log.search(item_id="5123")} == {True}
    assert peak_of(lambda: log.search(item_id="2")) < 4 * MIB


def packed(piece: bytes, times: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(piece) for _unused in range(times)), packer.flush()])


@pytest.mark.parametrize(("byte", "times"), [(b"\0", 128), (b"\n", 2)])
def test_a_decompression_bomb_ends_soon(log: Log, monkeypatch: pytest.MonkeyPatch, byte: bytes, times: int) -> None:
    monkeypatch.setattr(log_files, "_UNSUSPICIOUS", MIB // 8)
    monkeypatch.setattr(log_files, "_EXPANSION", 50)
    bomb = gzip.compress(moved(1)) + packed(byte * MIB, times)
    (log.directory / "mailbox.log.2025-10-14.gz").write_bytes(bomb)
    log.write(moved(2))
    assert peak_of(log.search) < 8 * MIB
    began = time.process_time()
    assert log.ids() == ["1", "2"] and "expands" in str(log.problems[0])
    assert time.process_time() - began < 10


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_of_a_damaged_archive_what_can_be_read_is_read(log: Log, damage: str) -> None:
    packed = bytearray(gzip.compress(b"".join(moved(number) for number in range(20_000)), 1))
    if damage == "cut":
        del packed[-len(packed) // 2:]
    else:
        packed[len(packed) // 2] ^= 0xFF
    (log.directory / "mailbox.log.2025-10-14.gz").write_bytes(packed)
    log.write(moved(77_777))
    found = log.ids()
    assert found[-1] == "77777" and len(found) > 1_000
    assert isinstance(log.problems[0], Damaged)


def test_memory_stays_flat_however_many_items_there_are(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "REMEMBERED", 100)
    log.write(*(
        part for number in range(3_000)
        for part in (delivering("x@y.z", f"<{number}@b>"), added(number, f"<{number}@b>"))
    ))

    def search(**wanted: Any) -> None:
        with contextlib.closing(LogSearch(str(log.path), Wanted(**wanted), moment.zone("UTC"))) as found:
            for _one in found.found():
                pass

    search()
    assert peak_of(search) < MIB // 2 and peak_of(lambda: search(sender="x@y.z")) < MIB // 2
