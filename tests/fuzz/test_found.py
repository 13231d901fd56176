# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inputs that once were not refused in a sentence, or took too long or too much memory. Each shows one fault."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE

from tests.fuzz import harness, mutate, of_archive, of_backup, of_imports, of_node, of_services, of_store
from tests.fuzz.targets import TARGETS

DEEP: Final = b"[" * 100_000


def altered(data: bytes, *path: Any, to: Any) -> bytes:
    """Return a JSON text with another value in one place."""
    record = json.loads(data)
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(record).encode() + b"\n"


def stated(kind: int, size: int, body: bytes) -> bytes:
    """Return a frame of zstd with a sound header that says any size."""
    fields = frames._FIELDS.pack(b"RSTF", 1, kind, frames.ZSTD, 0, bytes(16), bytes(24), bytes(32), size, len(body))
    return fields + frames._CRC.pack(zlib.crc32(fields)) + body


def huge(size: int) -> bytes:
    """Return a zstd frame that says that it unpacks to so many bytes."""
    return b"(\xb5/\xfd\xc0\x38" + size.to_bytes(8, "little") + zstandard.compress(b"x" * 1000)[6:]


def segment(**changes: Any) -> bytes:
    """Return a segment with another head."""
    head, newline, lines = of_backup.SEGMENT.partition(b"\n")
    return json.dumps({**json.loads(head), **changes}).encode() + newline + lines


def state(before: bytes, after: bytes) -> bytes:
    """Return a segment with something else in its states."""
    assert before in of_backup.SEGMENT
    return of_backup.SEGMENT.replace(before, after)


def first(name: str) -> bytes:
    """Return a valid input of a target."""
    return TARGETS[name].seeds()[0]


def in_backup(name: str, content: bytes) -> bytes:
    """Return an input of the targets that alter one file of a backup."""
    return name.encode() + b"\n" + content


def in_metadata(frame: bytes) -> bytes:
    """Return the backup's first metadata pack with one frame in it."""
    commit = json.loads((of_backup.whole() / commits.name(1)).read_bytes())
    name = next(pack["name"] for pack in commit["packs"] if pack["kind"] == packs.METADATA)
    return in_backup(packs.file_name(name), packs.MAGIC + frame + packs.tail(of_backup.INDEX, 8 + len(frame)))


def catalogue(*statements: str) -> bytes:
    """Return the backup's catalogue, changed."""
    database = sqlite3.connect(":memory:")
    with sqlite3.connect(of_backup.whole() / CATALOGUE_FILE) as source:
        source.backup(database)
    for statement in statements:
        database.execute(statement)
    database.commit()
    copy = Path(harness.SCRATCH or "/tmp") / "restante-fuzz-catalogue"
    copy.unlink(missing_ok=True)
    with sqlite3.connect(copy) as target:
        database.backup(target)
    data = copy.read_bytes()
    copy.unlink()
    return data


def redo(text: bytes) -> bytes:
    """Return a line of a redo log."""
    return b"%08x %s\n" % (zlib.crc32(text), text)


def sparse() -> bytes:
    """Return an archive with members that are holes of 200 MiB each."""
    return of_imports._header(b"a.eml", b"S", 200 << 20, b"x") * 20 + bytes(1024)


FOUND: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "a frame that says it holds 2^63 bytes": ("frame", lambda: stated(frames.BLOB, 2**63, huge(2**63))),
    "a frame that says it holds a terabyte": ("frame", lambda: stated(frames.BLOB, 2**40, huge(2**40))),
    "an index that unpacks to 300 MB": ("frame", lambda: stated(frames.INDEX, 300 << 20, mutate.zstd_bombs()[0])),
    "a segment that unpacks to 300 MB": (
        "backup",
        lambda: in_metadata(stated(frames.SEGMENT, 300 << 20, mutate.zstd_bombs()[0])),
    ),
    "a content of 300 MB among metadata": (
        "backup",
        lambda: in_metadata(stated(frames.BLOB, 300 << 20, mutate.zstd_bombs()[0])),
    ),
    "a segment whose scope is a list": ("segment", lambda: segment(scope=[])),
    "a segment whose number is missing": ("segment", lambda: segment(number=None)),
    "a segment of a journal that is no text": ("segment", lambda: segment(scope="\udc80")),
    "a state whose digest is none": ("segment", lambda: state(b"ab" * 32, b"zz")),
    "a state whose folder is a number": ("segment", lambda: state(b'"attrs":', b'"folder":5,"attrs":')),
    "a transaction of the year 30000": ("segment", lambda: state(b'"at":5', b'"at":900000000000000')),
    "a transaction with a number beyond 64 bits": ("segment", lambda: state(b'"seq":3', b'"seq":' + b"9" * 30)),
    "a commit of a repository that is no text": (
        "commit",
        lambda: altered(of_backup.COMMIT, "repository", to="\udc80"),
    ),
    "a commit with a token that is none": ("commit", lambda: altered(of_backup.COMMIT, "tokens", "b", to=None)),
    "a commit with a head that is an object": (
        "commit",
        lambda: altered(of_backup.COMMIT, "heads", "b", "segment", to={}),
    ),
    "a commit with a number beyond 64 bits": ("commit", lambda: altered(of_backup.COMMIT, "last", to=10**30)),
    "a commit far behind all others": ("backup", lambda: in_backup(commits.name(10**18), of_backup.COMMIT)),
    "a commit whose full one is far before it": (
        "commit",
        lambda: altered(of_backup.COMMIT, "checkpoint", to=-(2**62)),
    ),
    "a catalogue that says it is at commit x": ("catalogue", lambda: catalogue("UPDATE meta SET value = 'x'")),
    "a pack in the catalogue whose name no file can have": (
        "catalogue", lambda: catalogue("UPDATE packs SET name = name || char(0)")
    ),
    "a catalogue that is ahead of the commits": (
        "catalogue",
        lambda: catalogue("UPDATE meta SET value = '4000000000' WHERE key = 'newest'"),
    ),
    "a catalogue without a table": ("catalogue", lambda: catalogue("DROP TABLE packs")),
    "a catalogue with a trigger": (
        "catalogue",
        lambda: catalogue("CREATE TRIGGER t AFTER INSERT ON packs BEGIN DELETE FROM packs; END"),
    ),
    "a gzip stream in a gzip stream in one": ("compressed twice", lambda: mutate.gzip_bombs()[2]),
    "a content that unpacks to 300 MB": ("compressed twice", lambda: mutate.gzip_bombs()[0]),
    "rescue: a frame of 2^63 bytes": ("rescue.py", lambda: in_metadata(stated(frames.SEGMENT, 2**63, huge(2**63)))),
    "rescue: a frame of a terabyte": ("rescue.py", lambda: in_metadata(stated(frames.SEGMENT, 2**40, huge(2**40)))),
    "rescue: half an entry of an index": ("rescue.py", lambda: in_metadata(frames.encode(frames.INDEX, b"x" * 70))),
    "rescue: a segment without a head": ("rescue.py", lambda: in_metadata(frames.encode(frames.SEGMENT, b"\n"))),
    "rescue: a commit nested too deep": ("rescue.py", lambda: in_backup(commits.name(1), DEEP)),
    "settings nested too deep": ("settings", lambda: DEEP),
    "settings with a path with a NUL": ("settings", lambda: altered(first("settings"), "state_path", to="/a\0b")),
    "settings with a path too long": (
        "settings",
        lambda: altered(first("settings"), "state_path", to="/" + "a" * 300),
    ),
    "settings with a store too far": (
        "settings",
        lambda: altered(first("settings"), "mailstore_path", to="/" + "a" * 300),
    ),
    "a bucket whose prefix is an object": (
        "bucket configurations",
        lambda: altered(first("bucket configurations"), "buckets", 0, "prefix", to={}),
    ),
    "buckets nested too deep": ("bucket configurations", lambda: DEEP),
    "an operation whose number is an object": (
        "record of an operation",
        lambda: altered(first("record of an operation"), "number", to={}),
    ),
    "an operation whose phases are none": (
        "record of an operation",
        lambda: altered(first("record of an operation"), "phases", to=[5]),
    ),
    "an operation nested too deep": ("record of an operation", lambda: DEEP),
    "a notification of which the text is a list": (
        "notification",
        lambda: altered(first("notification"), "text", to=[1]),
    ),
    "a status nested too deep": ("status of the Realtime Scanner", lambda: DEEP),
    "a status whose times are texts": (
        "status of the Realtime Scanner",
        lambda: altered(first("status of the Realtime Scanner"), "situation", "pending_since", to="x"),
    ),
    "a ledger of the year 30000": (
        "ledger of coherency checks",
        lambda: altered(first("ledger of coherency checks"), "last", "at", to=10**17),
    ),
    "a ledger of a check at no time": (
        "ledger of coherency checks",
        lambda: altered(first("ledger of coherency checks"), "last", "at", to="x"),
    ),
    "a tuning whose volumes are a number": (
        "note of a tuning",
        lambda: altered(first("note of a tuning"), "compressed", to=5),
    ),
    "a map nested too deep": ("map of an import", lambda: of_node._MAP + DEEP + b"\n"),
    "a map whose ids are numbers": ("map of an import", lambda: of_node._MAP.replace(b'"1"', b"1")),
    "a log of items that are numbers": ("id_mapper.log", lambda: of_node._ITEM_LOG + b"[5, 6]\n"),
    "a log of items nested too deep": ("id_mapper.log", lambda: of_node._ITEM_LOG + DEEP + b"\n"),
    "a quota that is an object": ("quota_lifted", lambda: b'{"a": 5}'),
    "a restore of the year 30000": ("map of a new account", lambda: altered(of_node._COPY_MAP, "at", to=10**17)),
    "a restore of which the request is a text": (
        "map of a new account",
        lambda: altered(of_node._COPY_MAP, "request", to="x"),
    ),
    "restored items that are a list": ("restored", lambda: b"[1, [2]]"),
    "a redo log nested too deep": ("redo log", lambda: redo(DEEP)),
    "a transaction that is a number": ("redo log", lambda: redo(b"5")),
    "a transaction of an unknown kind": ("redo log", lambda: redo(b'[3,"nothing",{}]')),
    "a transaction without its fields": ("redo log", lambda: redo(b'[3,"write_items",{}]')),
    "a transaction of an account that is a list": (
        "redo log", lambda: redo(b'[3,"write_items",{"account":["a"],"items":[],"import_id":""}]')
    ),
    "a blob in a file that none can be": (
        "database of the embedded store", lambda: _store("UPDATE items SET locator = locator || char(0)")
    ),
    "a blob in a file whose name is no text": (
        "database of the embedded store", lambda: _store("UPDATE items SET locator = x'ff00'")
    ),
    "a note that is no number": ("note of a batch", lambda: b"0123456789abcdef x 1 0 2".ljust(100)),
    "a note of a file elsewhere": ("note of a batch", lambda: b"../../keep 1 1 0 1".ljust(100)),
    "a note of a billion files": ("note of a batch", lambda: b"0123456789abcdef 1 1 0 999999999".ljust(100)),
    "a blob that unpacks to 300 MB": ("file of a blob", lambda: mutate.gzip_bombs()[0]),
    "a store without its meta": ("database of the embedded store", lambda: _store("DELETE FROM meta")),
    "a store without volumes": ("database of the embedded store", lambda: _store("DELETE FROM volumes")),
    "a volume at a path that none can be": (
        "database of the embedded store", lambda: _store("UPDATE volumes SET path = path || char(0)")
    ),
    "a store with an entry that is none": (
        "database of the embedded store",
        lambda: _store("UPDATE entries SET data = '[['"),
    ),
    "an archive of holes": ("tar", sparse),
    "a member longer than can be": ("tar", lambda: of_imports._header(b"a.eml", b"0", 2**62, b"x") + bytes(1024)),
    "a name before a name, 2000 times": (
        "tar.gz",
        lambda: mutate.gzipped(
            of_imports._header(b"././@LongLink", b"L", 20, b"a" * 19 + b"\0") * 2000 + of_imports._archives()[0]
        ),
    ),
    "a mailbox of 100 MB of empty lines": ("mbox.gz", lambda: mutate.gzip_bombs()[1]),
    "folders that lie in each other": ("names of exported files", lambda: of_imports._folders()[0]),
    "a script of comments without end": ("folders of a script", lambda: b"/* " * 200_000),
    "a script of texts without end": ("folders of a script", lambda: b"text:\n" * 100_000),
    "a script of quotes without end": ("folders of a script", lambda: b'"\\' * 300_000),
    "a date after the calendar ends": ("date", lambda: b"9999-12-31T23:59:59.999-23:59"),
    "a zone nested too deep": ("time zone", lambda: b"a/" * 20_000),
    "a retention of 5000 digits": ("numbers", lambda: b"9" * 5_000),
    "a drill that has not said what it reached": (
        "summary of a drill", lambda: first("summary of a drill").replace(b'"rto_seconds"', b'"rto"')
    ),
    "a standby's entry that is a number": ("record of a standby", lambda: _standby("UPDATE entries SET applied = '5'")),
    "a standby's entry that is no JSON": (
        "record of a standby", lambda: _standby("UPDATE entries SET applied = substr(applied, 2)")
    ),
    "a standby's journal that was applied up to x": (
        "record of a standby", lambda: _standby("UPDATE mailboxes SET last = 'x'")
    ),
    "a standby's copies out of order": (
        "record of a standby", lambda: first("record of a standby").replace(b"257301message", b"157301message")
    ),
    "a standby's record whose tables are no text": (
        "record of a standby", lambda: first("record of a standby").replace(b"TABLE items (", b"TABLE items \xed")
    ),
    "a text that is nearly an account": (
        "answer of carbonio", lambda: json.dumps({"volumes": ["x" * 100_000]}).encode()
    ),
    "a note in a hundred thousand lines": (
        "content written anew",
        lambda: b"BEGIN:VCARD\r\nNOTE;QUOTED-PRINTABLE:" + (b"x" * 75 + b"=\r\n") * 100_000 + b"\r\nEND:VCARD\r\n",
    ),
    "a line that names no property": ("content written anew", lambda: b"x" * 4_000_000),
    "a zone that begins on every day of each year": (
        "content written anew",
        lambda: of_services.ZONED.replace(b"BYDAY=-1SU;", b"BYDAY=" + b"-1SU," * 20_000 + b"1SU;").replace(
            b"20250408", b"21500408"
        ),
    ),
    "a date of a day beyond all numbers": (
        "answer of a mail server", lambda: b'"99999999999999999999-Mar-2026 09:29:49 +0100"'
    ),
}


def _store(statement: str) -> bytes:
    """Return the database of the embedded store, changed."""
    return _changed((of_store.whole() / "store" / "store.sqlite").read_bytes(), statement)


def _standby(statement: str) -> bytes:
    """Return the record of a standby, changed."""
    return _changed(first("record of a standby"), statement)


def _changed(data: bytes, statement: str) -> bytes:
    copy = Path(harness.SCRATCH or "/tmp") / "restante-fuzz-database"
    copy.write_bytes(data)
    with sqlite3.connect(copy) as database:
        database.execute(statement)
    database.close()
    data = copy.read_bytes()
    copy.unlink()
    return data


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_refused_or_read(name: str, tmp_path: Path) -> None:
    target, make = FOUND[name]
    outcome = harness.run(TARGETS[target], 0, 0, tmp_path, lambda text: None, [make()])
    assert [finding.what for finding in outcome.findings] == []
    assert outcome.inputs == 1


@pytest.mark.parametrize("answer", of_archive.answers(), ids=range(len(of_archive.answers())))
def test_every_question_to_an_object_store_bears_every_answer(answer: bytes, tmp_path: Path) -> None:
    """Which question is asked depends on the bytes: with some more header it is another one each time."""
    asked = [answer.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * count + b"\r\n\r\n", 1) for count in range(11)]
    outcome = harness.run(TARGETS["answer of an object store"], 0, 0, tmp_path, lambda text: None, asked)
    assert [finding.what for finding in outcome.findings] == []
