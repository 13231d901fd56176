# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What drills, a standby, the vendor's command and mail servers leave or say."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.evidence import durations, metrics, seal
from ansible_collections.restante.carbonio.plugins.module_utils.evidence.history import FORMAT, History
from ansible_collections.restante.carbonio.plugins.module_utils.ledger.standby import FILE, Copy, Known, Record
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import answers as imap_answers
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import syntax
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore import rewriting
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import standing_by
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings
from ansible_collections.restante.carbonio.plugins.module_utils.vendor import answers, fields, forms
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.runner import Done

from . import mutate, seeds
from .harness import SCRATCH, Call, Target

_DRILL: Final = {
    "format": FORMAT, "id": "0-1", "node": "mail1", "ran_by": "root", "passed": True, "reasons": [],
    "rpo_seconds": 5.5, "rto_seconds": None, "targets": {"rpo_seconds": 60.0, "rto_seconds": None},
    "items": {"message": {"expected": 5, "verified": 5}}, "declared": "2026-03-28T04:00:00.000Z",
    "began": "2026-03-28T04:00:01.000Z", "whole": True, "accounts": 2, "expected": 5, "verified": 5, "unrestored": 0,
    "report_path": "/nowhere", "manifest_sha256": "",
}


_ANSWERS: Final = (
    {"ok": True, "response": {"notifications": [{"id": "1", "date": "28/03/2026 09:29:49", "subject": "Ended"}]}},
    {"operations": [{"operationId": "0-1", "state": "running", "progress": 5}], "monitorCommand": "carbonio x"},
    {"volumes": [{"id": 1, "name": "message1", "path": "/opt", "compressed": "true"}], "zimbraId": ["a", "b"]},
)
_LINES: Final = (
    b'(\\HasNoChildren \\Sent) "/" "Sent"\n'
    b"UID 5 FLAGS (\\Seen $Forwarded) INTERNALDATE \"28-Mar-2026 09:29:49 +0100\" RFC822.SIZE 500 EMAILID (M1)\n"
    b'INBOX (/private/comment "a" /shared/comment NIL)\n1:5,7,9:12\n"28-Mar-2026 09:29:49 +0100"\n'
)


ZONED: Final = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\n"
    b"RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n"
    b"BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+0100\r\n"
    b"TZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20250401T100000Z\r\n"
    b"DTSTART;TZID=Here:20250401T100000\r\nRRULE:FREQ=WEEKLY\r\nEXDATE;TZID=Here:20250408T100000\r\nDURATION:PT1H\r\n"
    b"SUMMARY:Meeting\\, weekly\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _history(scratch: Path) -> Call:
    directory = scratch / "history"
    directory.mkdir()

    def read(data: bytes) -> None:
        (directory / "1.json").write_bytes(data)
        past = History(str(directory)).past()
        metrics.text(metrics.of_drills(past)).encode("utf-8", "replace")
        for one in past:
            if one["rpo_seconds"] is not None:
                durations.tell(one["rpo_seconds"])

    return read


def _sealed(scratch: Path) -> Call:
    public = Path(f"{scratch}/key.pub")
    signer = seal.Signer(str(scratch / "key"))
    report = scratch / "report"
    report.mkdir()
    (report / "report.json").write_bytes(b"{}")
    (report / seal.SIGNATURE).write_bytes(signer.sign(seal.manifest({"report.json": b"{}"})))

    def read(data: bytes) -> None:
        (report / seal.MANIFEST).write_bytes(data)
        verdict = seal.verify(str(report), public.read_bytes())
        assert verdict.genuine == (data == seal.manifest({"report.json": b"{}"}))
        json.dumps(verdict.to_json())

    return read


def _status(scratch: Path) -> Call:
    node = Node(str(scratch / "restante.json"), Settings(state_path=str(scratch)))
    (scratch / "standby").mkdir()

    def read(data: bytes) -> None:
        (scratch / "standby" / "status.json").write_bytes(data)
        json.dumps(dataclasses.asdict(standing_by.read_status(node)))

    return read


def _record_seed() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
        about = {"state": "following", "import": "i", "store": "s"}
        with contextlib.closing(Record.create(directory, about)) as record:
            entry = Entry("a", kinds.ACCOUNT, "anna@example.com")
            record.keep_entry(Known("a", kinds.ACCOUNT, entry.name, "b", True, entry))
            copies = [Copy("256", "300", kinds.MESSAGE, True), Copy("257", "301", kinds.MESSAGE, True)]
            record.keep(record.mailbox("a").number, copies)
            record.failed("a", "257", kinds.MESSAGE, "refused")
            record.conflict("a", "300", kinds.MESSAGE, "was changed")
        return [Path(directory, FILE).read_bytes()]


def _record(scratch: Path) -> Call:
    def read(data: bytes) -> None:
        for left in scratch.iterdir():
            left.unlink()
        (scratch / FILE).write_bytes(data)
        with contextlib.closing(Record(str(scratch))) as record:
            record.meta("state")
            record.number("seq")
            [one.applied and one.applied.to_json() for one in record.entries()]
            sum(record.positions().values())
            record.tokens()
            box = record.mailbox("a")
            record.copies(box.number, ["256"])
            record.named(box.number)
            list(record.all_copies(box.number))
            record.outdated()
            record.failures()
            record.count_failures()
            record.conflicts()
            record.failed("a", "258", kinds.MESSAGE, "refused")

    return read


def _altered_record(chance: random.Random, data: bytes, all_: Sequence[bytes]) -> bytes:
    if chance.random() < 0.5:
        return mutate.octets(chance, data, all_)

    def statement(database: sqlite3.Connection) -> str:
        table = mutate.table(chance, database)
        column = chance.choice([row[1] for row in database.execute(f"PRAGMA table_info({table})")])
        value = chance.choice(("1", "-1", "'x'", "x'ff00'", "9e99", "''", "NULL"))
        return chance.choice((
            f"UPDATE {table} SET {column} = {value}", f"DROP TABLE {table}", f"ALTER TABLE {table} RENAME TO other",
            f"PRAGMA user_version = {chance.choice((0, 2, 99))}",
        ))

    return mutate.database(chance, data, statement)


def _vendor(_scratch: Path) -> Call:
    command = forms.NOTIFICATIONS.fill({})

    def read(data: bytes) -> None:
        answer = answers.answer_of(command, Done(0, data.decode("utf-8", "replace"), ""))
        for use in (fields.rows, fields.attributes, fields.holds, fields.texts, fields.volumes, fields.duplicates,
                    fields.state_of, fields.ended_as, fields.seen):
            use(answer)
        fields.ends(fields.rows(answer))
        fields.with_id(answer, "1")
        for text in fields.texts(answer):
            fields.report_of(text)

    return read


def _imap(_scratch: Path) -> Call:
    def read(data: bytes) -> None:
        for line in data.split(b"\n"):
            for use in (
                imap_answers.listed, imap_answers.fields_of, lambda one: list(imap_answers.annotations_in(one)),
                lambda one: imap_answers.message_of(one, b"", "EMAILID"), lambda one: list(syntax.astrings(one)),
                lambda one: list(syntax.expanded(one)), syntax.milliseconds, syntax.said_by,
            ):
                # What a connection takes for words that are none of IMAP, in a sentence.
                with contextlib.suppress(ValueError, IndexError, KeyError, TypeError):
                    use(line)

    return read


def _rewritten(_scratch: Path) -> Call:
    def read(data: bytes) -> None:
        assert rewriting.differences(data, data) in (([], []), None)
        rewriting.differences(ZONED, data)
        rewriting.differences(data, ZONED)

    return read


TARGETS: Final = (
    Target("summary of a drill", lambda: [_json(_DRILL)], _history, mutate.values),
    Target("manifest of a report", lambda: [seal.manifest({"report.json": b"{}"})], _sealed),
    Target("status of a standby", lambda: [_json(dataclasses.asdict(standing_by.Status()))], _status, mutate.values),
    Target("record of a standby", _record_seed, _record, _altered_record),
    Target("answer of carbonio", lambda: [_json(one) for one in _ANSWERS], _vendor, mutate.values),
    Target("answer of a mail server", lambda: [_LINES], _imap),
    Target(
        "content written anew", lambda: [ZONED, seeds.CARD, *seeds.real("ics"), *seeds.real("vcf")], _rewritten,
        mutate.lines,
    ),
)
