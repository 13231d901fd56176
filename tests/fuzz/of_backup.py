# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies in a Backup Path: its parts one by one, and whole backups of which one file was altered."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import random
import shutil
import sqlite3
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from unittest import mock

import zstandard
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, journals, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.catalogue import Catalogue, Damage
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import Commit, FormatInfo, Head, PackInfo
from ansible_collections.restante.carbonio.plugins.module_utils.backup.journals import Segment
from ansible_collections.restante.carbonio.plugins.module_utils.backup.packs import IndexEntry
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import CATALOGUE_FILE, Repository
from ansible_collections.restante.carbonio.plugins.module_utils.backup.salvage import Salvage
from ansible_collections.restante.carbonio.plugins.module_utils.backup.states import States
from ansible_collections.restante.carbonio.plugins.module_utils.care import double
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound, RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve

from tests.conftest import CHECKOUT
from tests.engine.backup.conftest import ANNA, fill

from . import mutate
from .harness import SCRATCH, Call, Target

COMMIT: Final = commits.encode(
    Commit(
        seq=7,
        at=123,
        hash="",
        previous="ab" * 32,
        nonce="cd" * 16,
        repository="r",
        server="s",
        packs=(PackInfo("ef" * 32, "blobs", 5),),
        heads={"b": Head("12" * 32, 3, 99)},
        tokens={"b": "1"},
        last=99,
        checkpoint=1,
        removed=("56" * 32,),
        full=False,
    )
)
FORMAT: Final = commits.encode_format(FormatInfo("r", "s", 5))
_STATE: Final = ItemState(
    "2", kinds.MESSAGE, "2", "näme", "fu", ("64", "65"), 1000, 5, "ab" * 32, {"a": [1, {"b": "c"}]}
)
LINES: Final = [journals.line(seq, 5, f"item {seq}", "message", _STATE if seq > 1 else None) for seq in range(1, 6)]
SEGMENT: Final = journals.seal(Segment("a", 1, "", 1, 5), LINES)
FRAME: Final = frames.encode(frames.BLOB, b"a message " * 50)
INDEX: Final = packs.encode_index(packs.ITSELF, [IndexEntry(frames.BLOB, bytes(32), 8, len(FRAME), 500)])
_INSIDE: Final = FRAME + frames.encode(frames.SEGMENT, SEGMENT)
PACK: Final = packs.MAGIC + _INSIDE + packs.tail(INDEX, 8 + len(_INSIDE))
_SIZES: Final = (0, 1, 500, 1000, 1 << 20, 1 << 30, 1 << 31, (1 << 31) + 1, 1 << 40, 2**63 - 1, 2**63, 2**64 - 1)


# -- parts ---------------------------------------------------------------------------------------------------------


def _stored(chance: random.Random, content: bytes) -> tuple[int, bytes]:
    """Return a method of compression and what is stored of a content; or something else than that."""
    way = chance.randrange(8)
    if way == 0:
        return frames.NO_COMPRESSION, content
    if way == 1:
        return frames.ZSTD, mutate.octets(chance, zstandard.compress(content), (content,))
    if way == 2:
        return frames.ZSTD, zstandard.ZstdCompressor(write_content_size=False).compress(content)
    if way == 3:
        return frames.ZSTD, zstandard.compress(content) + chance.choice((zstandard.compress(content), b"x", bytes(9)))
    if way == 4 and chance.random() < 0.1:
        return frames.ZSTD, chance.choice(mutate.zstd_bombs())
    if way == 5:
        stated = chance.choice(_SIZES).to_bytes(8, "little")
        return frames.ZSTD, b"(\xb5/\xfd\xc0\x38" + stated + zstandard.compress(content)[6:]
    if way == 6:
        return chance.choice((2, 7, 255)), content
    return frames.ZSTD, zstandard.compress(content)


def frame(chance: random.Random, kind: int, content: bytes) -> bytes:
    """Return a frame whose header is sound, and says what may not be so."""
    method, body = _stored(chance, content)
    digest = hashlib.sha256(content).digest() if chance.random() < 0.8 else chance.randbytes(32)
    size = len(content) if chance.random() < 0.7 else chance.choice((*_SIZES, 300 << 20, 20 << 20))
    stored = len(body) if chance.random() < 0.8 else chance.choice((*_SIZES, len(body) + 1, max(len(body) - 1, 0)))
    version, cipher = chance.choice(((1, 0),) * 8 + ((2, 0), (1, 1)))
    fields = struct.pack(
        ">4sBBBB16s24s32sQQ", frames.MAGIC, version, kind, method, cipher, bytes(16), bytes(24), digest, size, stored
    )
    return fields + struct.pack(">I", zlib.crc32(fields)) + body


def _frames(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    if chance.random() < 0.4:
        return mutate.octets(chance, data, seeds)
    content = chance.choice(
        (b"", b"a message " * 50, SEGMENT, INDEX, bytes(1000), mutate.values(chance, SEGMENT, (SEGMENT,)))
    )
    return frame(chance, chance.choice((1, 2, 3, 3, 4, 0, 255)), content)


def _packs(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    if chance.random() < 0.5:
        return mutate.octets(chance, data, seeds)
    inside = b"".join(_frames(chance, FRAME, (FRAME,)) for _frame in range(chance.randrange(5)))
    index = frame(chance, frames.INDEX, INDEX)
    place = struct.pack(">QQ", *(
        right if chance.random() < 0.7 else chance.choice(_SIZES) for right in (8 + len(inside), len(index))
    ))
    return packs.MAGIC + inside + index + place + struct.pack(">I8s", zlib.crc32(place), packs.END_MAGIC)


def _read_frame(_scratch: Path) -> Call:
    return frames.decode


def _read_pack(_scratch: Path) -> Call:
    def read(data: bytes) -> None:
        for finder in (packs.frames_of, frames.scan):
            for offset, head in finder(data):
                if head.kind in (frames.SEGMENT, frames.INDEX):
                    with contextlib.suppress(Damaged):
                        frames.decode(memoryview(data)[offset : offset + head.length])
        offset, length = packs.footer(data[max(len(data) - packs.FOOTER_SIZE, 0):])
        list(packs.decode_index(frames.decode(data[offset : offset + length]))[1])

    return read


def _read_index(_scratch: Path) -> Call:
    return lambda data: list(packs.decode_index(data)[1])


def _read_segment(_scratch: Path) -> Call:
    """A segment is read, taken into a catalogue, and its transactions are asked for."""
    catalogue = Catalogue("")
    states = States(catalogue)
    states.last = 2**63 - 1

    def read(data: bytes) -> None:
        segment, rows = journals.read(data)
        with catalogue.changing():
            catalogue.clear()
            catalogue.add_pack(PackInfo("ab" * 32, packs.METADATA, 5))
            catalogue.add_segment("cd" * 32, segment, rows, "ab" * 32)
        for at in (None, 5):
            for one in states.of_all(segment.scope, at, None, newest_first=True, deleted=True):
                _shown(one.at, one.state)
                states.of_item(segment.scope, one.item_id, at)
        states.span()

    return read


def _shown(at: int, state: Any) -> None:
    """Do with a state what those do that restore it, search it and show it."""
    moment.iso(at)
    moment.vendor(at, "UTC")
    state.to_json()
    hash((state.name, state.kind))
    if isinstance(state, ItemState):
        moment.iso(state.date)
        "".join((state.item_id, state.folder, state.name, state.flags, state.digest, *state.tags)).encode(
            "utf-8", "replace"
        )
        dict(state.attrs)
        return state.date + state.size
    for values in state.attrs.values():
        "".join(values)
    "".join((state.entry_id, *state.aliases, *state.members))
    [signature.get("id") for signature in state.signatures]
    return None


def _read_commit(_scratch: Path) -> Call:
    """A commit is read and taken into a catalogue."""
    catalogue = Catalogue("")

    def read(data: bytes) -> None:
        commit = commits.parse(data, "x")
        with catalogue.changing():
            catalogue.clear()
            for pack in commit.packs:
                catalogue.add_pack(pack)
            catalogue.remove_packs(commit.removed)
            catalogue.set_heads(commit)
            catalogue.set_meta("repository", commit.repository)
            catalogue.add_damage(Damage(commit.server, "", ""), "")
        moment.iso(commit.at)
        commits.encode(commit)
        catalogue.tokens()

    return read


# -- whole backups -------------------------------------------------------------------------------------------------


@functools.cache
def whole() -> Path:
    """Return a small backup: three commits, some packs, two accounts."""
    path = Path(tempfile.mkdtemp(prefix="restante-fuzz-backup-", dir=SCRATCH)) / "backup"
    fill(path)
    shutil.rmtree(path / "open")
    for file in path.glob(f"{CATALOGUE_FILE}-*"):
        file.unlink()
    return path


def _files() -> list[bytes]:
    """Return the files of the backup, each with its name before it."""
    root = whole()
    mutate.zstd_bombs()  # before any process begins, and not in the time of an input
    found = sorted(file for file in root.rglob("*") if file.is_file() and file.name != CATALOGUE_FILE)
    return [str(file.relative_to(root)).encode() + b"\n" + file.read_bytes() for file in found]


def _of_file(name: str) -> mutate.Mutator:
    return mutate.values if name.endswith(".json") else _packs


def _put(root: Path, data: bytes) -> Path:
    """Put an altered file into a copy of the backup; a pack at times with the name that it then has."""
    name, _newline, content = data.partition(b"\n")
    target = root / name.decode()
    target.write_bytes(content)
    return target


@contextlib.contextmanager
def _altered(scratch: Path, data: bytes) -> Iterator[Path]:
    """Make a backup with one file altered, and the others as they are."""
    root = scratch / "backup"
    shutil.copytree(whole(), root, ignore=shutil.ignore_patterns(f"{CATALOGUE_FILE}*"))
    _put(root, data)
    try:
        yield root
    finally:
        shutil.rmtree(root)


def _look(path: Path) -> None:
    """Ask a backup for all that is in it."""
    with contextlib.closing(Repository.open(str(path), 4096)) as backup:
        backup.damages()
        backup.counts()
        backup.span()
        backup.tokens()
        list(backup.entries(kinds.DOMAIN, deleted=True))
        for entry in backup.entries(kinds.ACCOUNT, deleted=True):
            _shown(entry.at, entry.state)
        for scope in backup.scopes():
            for one in backup.states(scope, newest_first=True, deleted=True):
                _shown(one.at, one.state)
                if isinstance(one.state, ItemState) and one.state.digest:
                    with contextlib.suppress(NotFound, Damaged):
                        backup.read_blob(one.state.digest)
        head = backup.head()
        for seq in range(head.seq + 1 if head else 0):
            with contextlib.suppress(RestanteError):
                backup.commit(seq)
        salvage = Salvage(backup.catalogue, [pack.name for pack in backup.packs()])
        list(salvage.segments())
        list(salvage.blobs())
        salvage.gaps()


def _open_backup(scratch: Path) -> Call:
    def read(data: bytes) -> None:
        with _altered(scratch, data) as path:
            _look(path)

    return read


def _retrieve(scratch: Path) -> Call:
    """The archive of a backup is altered, and its metadata is retrieved."""

    def read(data: bytes) -> None:
        with _altered(scratch, data) as path:
            try:
                retrieve(DirectoryArchive(str(path)), str(scratch / "retrieved"), threads=1)
                _look(scratch / "retrieved")
            finally:
                shutil.rmtree(scratch / "retrieved", ignore_errors=True)

    return read


def _rescue(scratch: Path) -> Call:
    """The reader that stands by itself: it may say what is wrong and end with a status, and no more."""
    specification = importlib.util.spec_from_file_location("rescue", CHECKOUT / "docs" / "rescue.py")
    assert specification is not None and specification.loader is not None
    rescue = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(rescue)

    def run(*arguments: str) -> None:
        rescue.damaged.clear()
        with (
            mock.patch.object(sys, "argv", ["rescue.py", *arguments]),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            try:
                rescue.main()
            except SystemExit as end:
                if end.code not in (0, 1) and not isinstance(end.code, str):
                    raise AssertionError(f"exit status {end.code}") from end

    def read(data: bytes) -> None:
        with _altered(scratch, data) as path:
            try:
                run(str(path), "accounts")
                run(str(path), "list", ANNA)
                run(str(path), "extract", ANNA, "--all", str(scratch / "out"))
            finally:
                shutil.rmtree(scratch / "out", ignore_errors=True)
            outside = [file for file in scratch.iterdir() if file.name not in ("backup", "out")]
            assert not outside, f"written outside: {outside}"

    return read


# -- the catalogue -------------------------------------------------------------------------------------------------


_STATEMENTS: Final = (
    "DROP TABLE {table}",
    "DELETE FROM {table}",
    "ALTER TABLE {table} RENAME TO other",
    "CREATE TABLE more (a, b)",
    "DROP INDEX deletions",
    "UPDATE {table} SET {column} = {value}",
    "UPDATE {table} SET {column} = NULL",
    "ALTER TABLE {table} ADD COLUMN more",
    "PRAGMA user_version = {number}",
    "CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM packs; END",
    "DROP TABLE {table}; CREATE VIEW {table} AS SELECT 1 AS id",
    "UPDATE OR REPLACE meta SET value = {value}",
    "INSERT OR REPLACE INTO meta VALUES ({value}, {value})",
    "DROP TABLE {table}; CREATE TABLE {table} (a)",
)


def _catalogues() -> list[bytes]:
    return [(whole() / CATALOGUE_FILE).read_bytes()]


def _of_catalogue(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    if chance.random() < 0.5:
        return mutate.octets(chance, data, seeds)

    def statement(database: sqlite3.Connection) -> str:
        table = chance.choice(("meta", "packs", "blobs", "scopes", "segments", "transactions", "damages"))
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")] or ["a"]
        return chance.choice(_STATEMENTS).format(
            table=table,
            column=chance.choice(columns),
            value=chance.choice((str(chance.choice(mutate.NUMBERS[:-1])), "'x'", "x'ff00'", "'[['", "1.5", "''")),
            number=chance.choice((0, 1, 5, 6, 2**31 - 1)),
        )

    return mutate.database(chance, data, statement)


def _open_catalogue(scratch: Path) -> Call:
    """The catalogue of a sound backup is altered: it answers, or is made anew, or says what is wrong."""
    root = scratch / "backup"
    shutil.copytree(whole(), root)

    def read(data: bytes) -> None:
        for file in root.glob(f"{CATALOGUE_FILE}*"):
            file.unlink()
        (root / CATALOGUE_FILE).write_bytes(data)
        try:
            _look(root)
        except RestanteError as error:
            with contextlib.closing(_rebuilt(root)) as backup:
                assert len(list(backup.states(ANNA))) == 21, f"after {error} it cannot be made anew"
            raise

    return read


def _rebuilt(root: Path) -> Repository:
    """Do as the sentence says: delete it."""
    for file in root.glob(f"{CATALOGUE_FILE}*"):
        file.unlink()
    return Repository.open(str(root), 4096)


# -- contents compressed twice -------------------------------------------------------------------------------------


def _unpack_twice(_scratch: Path) -> Call:
    return double.plain


def _gunzipped(data: bytes) -> bytes:
    return zlib.decompress(data, zlib.MAX_WBITS | 16)


TARGETS: Final = (
    Target(
        "frame", lambda: mutate.zstd_bombs() and [FRAME, frames.encode(frames.SEGMENT, SEGMENT)], _read_frame, _frames
    ),
    Target("pack", lambda: [PACK], _read_pack, _packs),
    Target("index", lambda: [INDEX], _read_index),
    Target("segment", lambda: [SEGMENT], _read_segment, mutate.values),
    Target("commit", lambda: [COMMIT], _read_commit, mutate.values),
    Target(
        "format.json", lambda: [FORMAT], lambda scratch: lambda data: commits.parse_format(data, "x"), mutate.values
    ),
    Target("backup", _files, _open_backup, mutate.named(_of_file)),
    Target("catalogue", _catalogues, _open_catalogue, _of_catalogue),
    Target("retrieval", _files, _retrieve, mutate.named(_of_file)),
    Target("rescue.py", _files, _rescue, mutate.named(_of_file)),
    Target(
        "compressed twice",
        lambda: mutate.gzip_bombs() and [mutate.gzipped(b"x" * 500), mutate.gzipped(mutate.gzipped(b"y"))],
        _unpack_twice,
        mutate.packed(mutate.gzipped, _gunzipped, mutate.octets, mutate.gzip_bombs),
    ),
)
