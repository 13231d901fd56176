# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vCards and iCalendar objects are compared by what they say: nothing of it may be another, and all else may."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.restore.rewriting import differences

CARD = rb"""BEGIN:VCARD
VERSION:3.0
UID:u1
FN:Anna Rossi
N:Rossi;Anna;;;
ORG:ACME\, Inc.;Sales
item1.EMAIL;TYPE=INTERNET;TYPE=HOME:anna@example.com
item1.X-ABLabel:Private
EMAIL;TYPE=WORK:rossi@example.com
TEL;TYPE="cell,voice":+39 1
ADR;TYPE=home:;;Via Roma 1;Milano;;20100;Italia
CATEGORIES:one,two\, three
NOTE:First line\nSecond\; line, with a comma\\
PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgo
 AAAANSUhEUg==
END:VCARD
"""
SAME_CARD = rb"""BEGIN:VCARD
VERSION:3.0
ADR;TYPE=HOME:;;Via Roma 1;Milano;;20100;Italia;
CATEGORIES:one,two\, three
email;type=work:rossi@example.com
Item1.EMAIL;TYPE=HOME,internet:anna@example.com
FN:Anna Rossi
N:Rossi;Anna
NOTE:First line\NSecond; line\, with
  a comma\\
ORG:ACME\, Inc.;Sales;
PHOTO;TYPE=png;ENCODING=B:iVBORw0KGgoAAAANSUhEUg==
PRODID:-//Another program//EN
TEL;TYPE=voice;TYPE=cell:+39 1
UID:u1
item1.X-ABLABEL:Private
END:VCARD
"""
ZONE = b"""BEGIN:VTIMEZONE
TZID:Berlin
X-LIC-LOCATION:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""
SAME_ZONE = b"""BEGIN:VTIMEZONE
TZID:Berlin
BEGIN:STANDARD
DTSTART:20001029T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20000326T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""
EVENT = b"""BEGIN:VCALENDAR
PRODID:-//One//EN
VERSION:2.0
%bBEGIN:VEVENT
UID:e1
DTSTAMP:20260101T120000Z
DTSTART;TZID="Berlin":20260102T120000
DTEND;TZID=Berlin:20260102T130000
RRULE:FREQ=WEEKLY;COUNT=30;BYDAY=FR
SUMMARY:Lunch
ATTENDEE;CN="Bruno";RSVP=TRUE:mailto:bruno@example.com
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER;RELATED=START:-PT15M
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:e1
RECURRENCE-ID;TZID=Berlin:20260109T120000
DTSTAMP:20260101T120000Z
DTSTART;TZID=Berlin:20260109T140000
SUMMARY:Late lunch
END:VEVENT
END:VCALENDAR
"""
SAME_EVENT = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Another//EN
BEGIN:VEVENT
RECURRENCE-ID;TZID=Berlin:20260109T120000
UID:e1
DTSTART;TZID=Berlin:20260109T140000
DTSTAMP:20260101T120000Z
SUMMARY:Late lunch
END:VEVENT
%bBEGIN:VEVENT
UID:e1
DTSTART;TZID=Berlin:20260102T120000
DTEND;TZID=Berlin:20260102T130000
ATTENDEE;rsvp=true;CN=Bruno:mailto:bruno@example.com
BEGIN:VALARM
TRIGGER;RELATED=start:-PT15M
ACTION:DISPLAY
END:VALARM
DTSTAMP:20260101T120000Z
RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=30
SUMMARY:Lunch
END:VEVENT
END:VCALENDAR
"""
QUOTED = (
    b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=\n=F6rg\n"
    b"TEL;HOME;FAX:1\nEND:VCARD\n"
)
UNQUOTED = "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Müller;Jörg;;;\r\nTEL;TYPE=FAX,HOME:1\r\nEND:VCARD\r\n".encode()


@pytest.mark.parametrize(("one", "other"), [
    (CARD, SAME_CARD), (CARD, CARD.replace(b"\n", b"\r\n")), (b"\xef\xbb\xbf" + CARD, CARD), (QUOTED, UNQUOTED),
    (EVENT % ZONE, SAME_EVENT % SAME_ZONE), (EVENT % ZONE, SAME_EVENT % ZONE),
    (EVENT.replace(b"DTSTAMP:20260101T120000Z\n", b"").replace(b"VERSION:2.0\n", b"") % ZONE, SAME_EVENT % ZONE),
    (EVENT.replace(b"START:-PT15M", b"START;VALUE=DURATION:-P0DT0H15M0S") % ZONE, SAME_EVENT % ZONE),
    (EVENT % b"", SAME_EVENT % SAME_ZONE),  # a definition that was not there says nothing against it
], ids=["a card", "ends of lines", "a mark of UTF-8", "quoted-printable", "a zone too", "an object",
        "what has to be there", "a duration", "a zone added"])
def test_what_says_the_same_is_equal(one: bytes, other: bytes) -> None:
    assert differences(one, other) == ([], [])


ALTERED = [
    (SAME_CARD, CARD, b"Anna Rossi", b"Anna Rosso", "FN"),
    (SAME_CARD, CARD, b"rossi@example.com", b"Rossi@example.com", "EMAIL"),
    (SAME_CARD, CARD, b"type=work", b"type=home", "EMAIL"),
    (SAME_CARD, CARD, b"Item1.EMAIL", b"Item2.EMAIL", "EMAIL"),
    (SAME_CARD, CARD, b"Rossi;Anna", b"Rossi\\;Anna", "N"),
    (SAME_CARD, CARD, b"Rossi;Anna", b"Rossi;;Anna", "N"),
    (SAME_CARD, CARD, b"ACME\\, Inc.;Sales", b"ACME\\, Inc.\\;Sales", "ORG"),
    (SAME_CARD, CARD, b"two\\, three", b"two,three", "CATEGORIES"),
    (SAME_CARD, CARD, b"Second; line", b"Second line", "NOTE"),
    (SAME_CARD, CARD, b"comma\\\\", b"comma", "NOTE"),
    (SAME_CARD, CARD, b"AAAANSUhEUg", b"AAAANSUhEUh", "PHOTO"),
    (SAME_CARD, CARD, b"item1.X-ABLABEL:Private\n", b"", "X-ABLABEL"),
    (SAME_CARD, CARD, b"UID:u1\n", b"UID:u1\nX-NEW:1\n", "X-NEW"),
    (SAME_CARD, CARD, b"TEL;TYPE=voice", b"TEL;TYPE=fax", "TEL"),
    (SAME_EVENT % ZONE, EVENT % ZONE, b"TZID=Berlin:20260102T120000", b"TZID=Berlin:20260102T121500", "VEVENT"),
    (SAME_EVENT % ZONE, EVENT % ZONE, b"COUNT=30", b"COUNT=31", "VEVENT"),
    (SAME_EVENT % ZONE, EVENT % ZONE, b"-PT15M", b"-PT5M", "VEVENT"),
    (SAME_EVENT % ZONE, EVENT % ZONE, b"start:-PT15M", b"start;VALUE=DURATION:-P15D", "VEVENT"),
    (SAME_EVENT % ZONE, EVENT % ZONE, b"DTSTAMP:20260101T120000Z", b"DTSTAMP:20260101T120001Z", "VEVENT"),
    (SAME_EVENT % ZONE, EVENT % ZONE, b"CN=Bruno", b"CN=bruno", "VEVENT"),
    (SAME_EVENT % ZONE, EVENT % ZONE, ZONE, b"", "VTIMEZONE Berlin"),
    (SAME_EVENT % SAME_ZONE, EVENT % ZONE, b"TZOFFSETTO:+0200", b"TZOFFSETTO:+0300", "VTIMEZONE Berlin"),
    (SAME_EVENT % SAME_ZONE, EVENT % ZONE, b"BYMONTH=10", b"BYMONTH=2", "VTIMEZONE Berlin"),
    (SAME_EVENT % SAME_ZONE, EVENT % ZONE, b"BYDAY=-1SU;BYMONTH=3", b"BYDAY=1SU;BYMONTH=2", "VTIMEZONE Berlin"),
    (UNQUOTED, QUOTED, "Jörg".encode(), b"Jorg", "N"),
    (UNQUOTED, QUOTED, b"TYPE=FAX,HOME", b"TYPE=FAX", "TEL"),
]


@pytest.mark.parametrize(("rewritten", "original", "was", "now", "name"), ALTERED, ids=lambda value: "")
def test_what_says_something_else_is_found(
    rewritten: bytes, original: bytes, was: bytes, now: bytes, name: str
) -> None:
    assert was in rewritten
    found = differences(original, rewritten.replace(was, now))
    assert found is not None and name in (*found[0], *found[1])


@pytest.mark.parametrize("content", [
    b"", b"nothing of the kind", b"BEGIN:VCARD\nFN:x\n", b"BEGIN:VCARD\nEND:VCALENDAR\n", b"END:VCARD\n", b"FN:x\n",
    b"BEGIN:X\n" * 5000 + b"END:X\n" * 5000, b"BEGIN:VCARD\nno colon\nEND:VCARD\n",
])
def test_what_is_no_such_content_can_only_be_compared_by_its_bytes(content: bytes) -> None:
    assert differences(CARD, content) is None and differences(content, CARD) is None


@pytest.mark.parametrize("rule", [
    b"FREQ=YEARLY;BYMONTH=13;BYDAY=1SU", b"FREQ=YEARLY;BYDAY=99XX;BYMONTH=3", b"FREQ=SECONDLY",
    b"FREQ=YEARLY;BYMONTH=x", b"FREQ=YEARLY;UNTIL=never", b"FREQ=YEARLY;UNTIL=99991231T235959Z",
    b"FREQ=YEARLY;BYHOUR=" + b"9" * 30, b"FREQ=YEARLY;BYMONTH=" + b"9" * 5000,
])
def test_a_zone_that_cannot_be_evaluated_is_another_one(rule: bytes) -> None:
    other = SAME_ZONE.replace(b"FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3", rule)
    assert differences(EVENT % ZONE, SAME_EVENT % other) == (["VTIMEZONE Berlin"], [])
    turned = other.replace(b"TZNAME:CEST\nTZOFFSETFROM:+0100\n", b"TZOFFSETFROM:+0100\ntzname:CEST\n")
    assert turned != other and differences(EVENT % other, SAME_EVENT % turned) == ([], [])


@pytest.mark.parametrize(("was", "now"), [
    (b"20260102T120000", b"99990102T120000"), (b"20260102T120000", b"00010101T000000"),
    (b"-PT15M", b"-P" + b"9" * 9999 + b"D"),
    (b"20260102T120000", b"never"), (b"COUNT=30", b"=;=;;"),
])
def test_numbers_beyond_all_bounds_are_only_compared(was: bytes, now: bytes) -> None:
    one, other = (EVENT % ZONE).replace(was, now), (SAME_EVENT % SAME_ZONE).replace(was, now)
    assert differences(one, one) == ([], [])
    assert one == EVENT % ZONE or differences(EVENT % ZONE, one) != ([], [])
    assert differences(one, other) is not None
