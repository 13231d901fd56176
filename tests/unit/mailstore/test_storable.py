# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done to vCards and iCalendar objects so that a server takes them: no more than that."""

from __future__ import annotations

import re

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import storable
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from hypothesis import given
from hypothesis import strategies as st

ADDED = re.compile(rb"UID:[0-9a-f]{32}\r?\n")


def lines(*given: str, end: str = "\r\n") -> bytes:
    """Return a content of lines."""
    return "".join(line + end for line in given).encode()


CARD = lines("BEGIN:VCARD", "VERSION:3.0", "UID:anna", "FN:Anna", "END:VCARD")
EVENT = lines("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:one", "SUMMARY:x", "END:VEVENT", "END:VCALENDAR")


@pytest.mark.parametrize("kind, content", [
    (kinds.CONTACT, CARD), (kinds.CONTACT, CARD.replace(b"\r\n", b"\n")),
    (kinds.CONTACT, CARD.replace(b"UID:anna", b"item1.uid;x=y:an\r\n na")), (kinds.APPOINTMENT, EVENT),
    (kinds.CONTACT_GROUP, CARD.replace(b"FN:", b"KIND:group\r\nFN:")),
    (kinds.APPOINTMENT, EVENT.replace(b"UID:one", b"U\r\n ID:o\r\n\tne")), (kinds.APPOINTMENT, EVENT[:-2]),
    (kinds.APPOINTMENT, EVENT.replace(b"SUMMARY:x", b"DESCRIPTION:a\r\n METHOD:REQUEST\r\n UID:two\r\nX-Y:\xff\0")),
    (kinds.MESSAGE, b"METHOD:REQUEST\r\n"),
])
def test_what_a_server_takes_stays_as_it_is(kind: str, content: bytes) -> None:
    assert storable.content(kind, content) == content
    if kind != kinds.MESSAGE:
        assert storable.refusal(kind, content) == ""


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_what_has_no_uid_gets_the_same_one_each_time(end: str) -> None:
    for kind, content in ((kinds.CONTACT, CARD), (kinds.TASK, EVENT)):
        without = re.sub(rb"UID:.*\r\n", b"", content).replace(b"\r\n", end.encode())
        made = storable.content(kind, without)
        assert made == storable.content(kind, without) != storable.content(kind, without + b"\n")
        assert len(ADDED.findall(made)) == 1
        assert ADDED.sub(b"", made) == without
        assert storable.content(kind, made) == made
        empty = content.replace(b"UID:anna", b"UID:").replace(b"UID:one", b"UID: ")
        assert ADDED.sub(b"", storable.content(kind, empty)) == re.sub(rb"UID:.*\r\n", b"", content)


def test_the_uid_of_a_time_zone_or_of_an_alarm_is_none_of_the_appointment() -> None:
    content = lines(
        "BEGIN:VCALENDAR", "BEGIN:VTIMEZONE", "UID:zone", "END:VTIMEZONE", "BEGIN:VEVENT", "SUMMARY:x", "BEGIN:VALARM",
        "UID:alarm", "END:VALARM", "END:VEVENT", "END:VCALENDAR",
    )
    made = storable.content(kinds.APPOINTMENT, content)
    assert ADDED.sub(b"", made) == content
    assert b"BEGIN:VEVENT\r\nUID:" in made
    assert storable.refusal(kinds.APPOINTMENT, content) == ""


def test_an_exception_without_a_uid_gets_that_of_its_series() -> None:
    second = b"BEGIN:VEVENT\r\nRECURRENCE-ID:20260101T120000Z\r\nEND:VEVENT\r\n"
    content = EVENT.replace(b"END:VCALENDAR", second + b"END:VCALENDAR")
    assert storable.content(kinds.APPOINTMENT, content).count(b"UID:one\r\n") == 2


def test_the_method_is_dropped_with_all_its_lines() -> None:
    content = EVENT.replace(b"VERSION:2.0\r\n", b"VERSION:2.0\r\nmethod;x=y:REQ\r\n UEST\r\n")
    assert storable.content(kinds.APPOINTMENT, content) == EVENT
    assert storable.content(kinds.APPOINTMENT, EVENT.replace(b"UID", b"METHOD:REQUEST\r\nUID")) == EVENT


def test_a_mark_of_utf_8_is_dropped() -> None:
    assert storable.content(kinds.CONTACT, b"\xef\xbb\xbf" + CARD) == CARD
    assert storable.refusal(kinds.APPOINTMENT, b"\xef\xbb\xbf" + EVENT) == ""


@pytest.mark.parametrize("version, word", [("3.0", b"X-ADDRESSBOOKSERVER-KIND:group"), ("4.0", b"KIND:group")])
def test_a_group_says_that_it_is_one(version: str, word: bytes) -> None:
    content = CARD.replace(b"3.0", version.encode())
    assert storable.content(kinds.CONTACT_GROUP, content) == content.replace(b"END", word + b"\r\nEND")


@pytest.mark.parametrize("kind, content, words", [
    (kinds.CONTACT, CARD + CARD, "there are 2"), (kinds.CONTACT, b"", "there are 0"),
    (kinds.TASK, CARD, "no iCalendar"),
    (kinds.APPOINTMENT, EVENT.replace(b"END:VCAL", b"BEGIN:VEVENT\r\nUID:two\r\nEND:VEVENT\r\nEND:VCAL"), "has 2"),
])
def test_what_cannot_be_one_resource_is_refused_in_a_sentence(kind: str, content: bytes, words: str) -> None:
    assert words in storable.refusal(kind, content)


def test_a_card_within_a_card_is_none_of_its_own() -> None:
    agent = b"AGENT:\r\nBEGIN:VCARD\r\nFN:Secretary\r\nEND:VCARD\r\n"
    assert storable.refusal(kinds.CONTACT, CARD.replace(b"FN:", agent + b"FN:")) == ""


PIECES = st.sampled_from([
    b"BEGIN:VCALENDAR", b"BEGIN:VEVENT", b"END:VEVENT", b"UID:x", b"UID:", b"METHOD:X", b"\r\n", b"\n", b" ", b"\xff",
    b"BEGIN:VCARD", b"END:VCARD", b":", b"BEGIN", b"END:", b"\0", b"\r",
])


@given(st.sampled_from(sorted(storable.CARDS | storable.OBJECTS)), st.lists(PIECES).map(b"".join))
def test_nothing_is_too_odd_and_nothing_is_done_twice(kind: str, content: bytes) -> None:
    storable.refusal(kind, content)
    once = storable.content(kind, content)
    if not storable.refusal(kind, content):
        assert storable.content(kind, once) == once
