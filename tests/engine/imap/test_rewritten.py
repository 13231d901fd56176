# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DAV server writes contacts and appointments anew: what says the same is proven, and what does not is found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.dav import DavAccount
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.rewriting import is_given_back

from tests.conformance.imap_servers import DOVECOTS_WITH_DAV
from tests.engine.imap.strategies_kit import proven, restored, scanned

ADDRESS = "anna@example.com"
CARD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Rossi;Anna\r\nFN:Anna Rossi\r\nORG:ACME\\, Inc.;Sales;\r\nUID:anna\r\n"
    "item1.EMAIL;TYPE=HOME;TYPE=INTERNET:anna@example.com\r\nitem1.X-ABLabel:Private\r\n"
    "NOTE:A note that is long enough for the server to fold it at a place of its own\\n\r\n  and goes on\r\n"
    "END:VCARD\r\n"
)
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VTIMEZONE\r\nTZID:Berlin\r\n"
    "X-LIC-LOCATION:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\n"
    "DTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nBEGIN:STANDARD\r\n"
    "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nDTSTART:19701025T030000\r\n"
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nSUMMARY:Lunch\r\n"
    "DTSTAMP:20260101T120000Z\r\nDTEND;TZID=\"Berlin\":20260702T130000\r\nDTSTART;TZID=Berlin:20260702T120000\r\n"
    "RRULE:FREQ=WEEKLY;COUNT=30;BYDAY=TH\r\nUID:lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
LOSSY = "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Old;Card\r\nFN:Old Card\r\nUID:old\r\nTEL;HOME;FAX:1\r\nEND:VCARD\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where a Dovecot and a Radicale are that are empty."""
    path = tmp_path / "servers"
    path.mkdir()
    DOVECOTS_WITH_DAV.create(path).close()
    yield path
    DOVECOTS_WITH_DAV.stop(path)
    DOVECOTS_WITH_DAV.end()


def backed_up(path: Path, contents: dict[str, tuple[str, str]]) -> Path:
    """Back up an account with contacts and appointments."""
    store: Any = EmbeddedStore.create(str(path / "source"))
    with contextlib.closing(store):
        store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
        account = store.create_entry(Entry("a-1", kinds.ACCOUNT, ADDRESS)).entry_id
        folders = {folder.name: folder.item_id for folder in store.folders(account)}
        for origin, (kind, content) in contents.items():
            folder = folders["Contacts" if kind == kinds.CONTACT else "Calendar"]
            written, = store.write_items(account, [NewItem(origin, ItemState("", kind, folder), content.encode())])
            assert not written.error
    scanned(lambda: EmbeddedStore.open(str(path / "source")), path / "backup")
    return path / "backup"


def contents_are(store: Any, kept: bool) -> bool:
    """Return whether the contents of all items are what was restored, or none is."""
    account = store.find_entry(kinds.ACCOUNT, ADDRESS).entry_id
    wanted = {kinds.CONTACT: CARD.encode(), kinds.APPOINTMENT: EVENT.encode()}
    items = [item for item in store.changes(account).items if item.kind in wanted]
    return [is_given_back(store, account, item, wanted[item.kind]) for item in items] == [kept, kept]


def test_what_a_server_writes_anew_is_proven_and_what_somebody_alters_is_found(path: Path, tmp_path: Path) -> None:
    backup = backed_up(tmp_path, {"c": (kinds.CONTACT, CARD), "e": (kinds.APPOINTMENT, EVENT)})

    def connect() -> Any:
        return DOVECOTS_WITH_DAV.connect(path)

    assert not restored(backup, connect, tmp_path / "own").unrestored
    report = proven(backup, connect, tmp_path / "own")
    assert report.passed, report.differences
    assert report.rewritten == {kinds.CONTACT: 1, kinds.APPOINTMENT: 1}
    with contextlib.closing(connect()) as store:
        settings = store._settings
        assert contents_are(store, True)
    with contextlib.closing(DavAccount(settings, ADDRESS)) as other:
        for collection in other.collections():
            for resource in other.resources(collection.href):
                [(href, _etag, content)] = other.read([resource.href])
                new = content.replace(b"Private", b"Public").replace(b"T120000\r\nDTEND", b"T123000\r\nDTEND")
                assert new != content
                other.put(href, new, kinds.CONTACT if b"VCARD" in content else kinds.APPOINTMENT)
    with contextlib.closing(connect()) as store:
        assert contents_are(store, False)
    report = proven(backup, connect, tmp_path / "own")
    assert not report.passed and not report.rewritten
    found = {one.kind: (one.field, one.expected, one.found) for one in report.differences}
    assert found == {
        kinds.CONTACT: ("content", "X-ABLABEL", "X-ABLABEL"), kinds.APPOINTMENT: ("content", "DTSTART", "DTSTART"),
    }


def test_what_a_server_loses_as_it_writes_anew_is_found(path: Path, tmp_path: Path) -> None:
    backup = backed_up(tmp_path, {"old": (kinds.CONTACT, LOSSY)})
    assert not restored(backup, lambda: DOVECOTS_WITH_DAV.connect(path), tmp_path / "own").unrestored
    report = proven(backup, lambda: DOVECOTS_WITH_DAV.connect(path), tmp_path / "own")
    assert [(one.kind, one.field, one.expected, one.found) for one in report.differences] == [
        (kinds.CONTACT, "content", "TEL", "TEL")
    ]
