# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is imported: mailboxes, archives, calendars, cards, scripts; and the names under which it is exported."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import random
import shutil
import tarfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import zstandard
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import exporter, readers
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.importer import import_path
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore import sieve
from ansible_collections.restante.carbonio.plugins.module_utils.restore.references import paths_of

from . import mutate, seeds
from .harness import Call, Target

_HELD: Final = readers.LARGEST
"""What a reader may hold of one content, however small the file is that it is unpacked from."""


def _reading(name: str) -> Callable[[Path], Call]:
    """Return what reads an input as a file of a name."""

    def begin(scratch: Path) -> Call:
        path = scratch / name

        def read(data: bytes) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            for found in readers.read(str(scratch)):
                if isinstance(found, readers.Found):
                    assert found.kind in kinds.ITEM_KINDS and isinstance(found.content, bytes)
                    assert 0 <= found.date < 2**63
                assert "\0" not in found.source or isinstance(found, readers.Problem) or name.count("tar")
                found.source.encode("utf-8")

        return read

    return begin


def _members(chance: random.Random) -> bytes:
    """Return a tar archive of odd members."""
    packed = io.BytesIO()
    form = chance.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for _member in range(chance.randrange(5)):
            member = tarfile.TarInfo(
                chance.choice(
                    (
                        "cur/1:2,S",
                        ".Sent/cur/2",
                        "a/b.mbox",
                        "c.ics",
                        "d.vcf",
                        "../../e.eml",
                        "/f.eml",
                        "g.tar",
                        "h.mbox.gz",
                        "n" * 300 + ".eml",
                        "\udcff.eml",
                        "",
                    )
                )
            )
            member.type = chance.choice(
                (tarfile.REGTYPE,) * 6
                + (
                    tarfile.SYMTYPE,
                    tarfile.LNKTYPE,
                    tarfile.CHRTYPE,
                    tarfile.FIFOTYPE,
                    tarfile.DIRTYPE,
                    tarfile.CONTTYPE,
                    b"Z",
                )
            )
            content = chance.choice((seeds.MAIL, seeds.MBOX, seeds.CALENDAR, b"", mutate.zeros_gzipped(1 << 20)))
            member.size = len(content) if member.isreg() else 0
            member.mtime = chance.choice((0, 1_700_000_000, 8**11 - 1))
            if form == tarfile.PAX_FORMAT and chance.random() < 0.5:
                member.pax_headers = {
                    chance.choice(
                        (
                            "mtime",
                            "size",
                            "GNU.sparse.map",
                            "GNU.sparse.major",
                            "GNU.sparse.realsize",
                            "GNU.sparse.size",
                            "path",
                            "uid",
                            "hdrcharset",
                            "comment",
                        )
                    ): chance.choice(
                        ("nan", "1e999", "-1", "0,10", str(2**63), "0,1,x", "1", "9" * 5000, "a\0b", "\u2028")
                    ),
                }
            with contextlib.suppress(ValueError, UnicodeError, OverflowError):
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _header(name: bytes, kind: bytes, size: int, body: bytes = b"") -> bytes:
    """Return a member's blocks as GNU tar writes them, with a sound checksum and any size."""
    width = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    head = bytearray(
        name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + width + b"00000000000\0" + b" " * 8 + kind
    )
    head += bytes(512 - len(head))
    head[257:265] = b"ustar  \0"
    if kind == b"S":  # a sparse file: one byte at the end of its size
        head[386:410] = b"%011o\0" % max(size - 1, 0) + b"%011o\0" % 1
        head[483:495] = b"%011o\0" % min(size, 8**11 - 1)
        head[124:136] = b"%011o\0" % 1
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + body + bytes(-len(body) % 512)


def _tar(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    way = chance.random()
    if way < 0.35:
        return mutate.octets(chance, data, _seeds)
    if way < 0.45:
        kind = chance.choice((b"L", b"K", b"x", b"g"))
        body = b"19 path=" + b"a" * 10 + b"\n" if kind in b"xg" else b"a" * 19 + b"\0"
        return _header(b"././@LongLink", kind, len(body), body) * chance.choice((1, 5, 2000)) + data
    if way < 0.55:
        size = chance.choice((1, 512, 1 << 20, 200 << 20, 256 << 20, 1 << 40, 2**63 - 1, 2**63, 2**80))
        return _header(b"a.eml", chance.choice((b"0", b"S", b"L", b"x", b"g", b"5")), size, b"x") * chance.choice(
            (1, 1, 20)
        ) + bytes(1024)
    archive = _members(chance)
    return mutate.octets(chance, archive, _seeds) if chance.random() < 0.4 else archive


def _archives() -> list[bytes]:
    """Return archives with a Maildir and other files in them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (
            ("box/cur/1:2,FS", seeds.MAIL),
            ("box/.Sent.Old/cur/2:2,", seeds.MAIL),
            ("box/all.mbox", seeds.MBOX),
            ("box/c.ics", seeds.CALENDAR),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return [packed.getvalue()]


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _gunzip(data: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)


def _packed_target(
    name: str, file: str, plain: Callable[[], list[bytes]], inner: mutate.Mutator, zstd: bool = False
) -> Target:
    pack = zstandard.ZstdCompressor(level=1).compress if zstd else mutate.gzipped
    bombs = mutate.zstd_bombs if zstd else mutate.gzip_bombs
    change = mutate.packed(pack, _unzstd if zstd else _gunzip, inner, bombs)
    return Target(
        name,
        lambda: [pack(one) for one in plain() if bombs()],
        _reading(file),
        change,
        seconds=60,
        spare=64 * (1 << 20) + 3 * _HELD,
    )


# -- into a mailbox, and out again -----------------------------------------------------------------------------------


def _importing(scratch: Path) -> Call:
    """A file becomes items of a mailbox, and these become files again; nothing is written beside where it belongs."""
    store = EmbeddedStore.create(str(scratch / "store"))
    store.set_redo_log(False)
    store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
    count = itertools.count()

    def read(data: bytes) -> None:
        name, _newline, content = data.partition(b"\n")
        account = f"a{next(count)}"
        store.create_entry(Entry(account, kinds.ACCOUNT, f"{account}@example.com"))
        source, target = scratch / "source", scratch / "out" / "target"
        source.mkdir()
        try:
            file = name.replace(b"/", b"_").replace(b"\0", b"_")[:200] or b"x"
            (source / os.fsdecode(file if file not in (b".", b"..") else b"x")).write_bytes(content)
            report = import_path(store, account, str(source), "A/B")
            report.to_json()
            exporter.export_account(store, account, str(target))
            assert os.listdir(scratch / "out") in ([], ["target"])
        finally:
            store.delete_entry(kinds.ACCOUNT, account)
            shutil.rmtree(source)
            shutil.rmtree(scratch / "out", ignore_errors=True)
            (scratch / "out").mkdir()

    (scratch / "out").mkdir()
    return read


def _named_files() -> list[bytes]:
    return [
        b"a.eml\n" + seeds.MAIL,
        b"b.mbox\n" + seeds.MBOX,
        b"c.ics\n" + seeds.CALENDAR,
        b"d.vcf\n" + seeds.CARD,
        b"e.sieve\n" + seeds.SCRIPT,
    ]


def _file(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    name, newline, content = data.partition(b"\n")
    if chance.random() < 0.3:
        stem, dot, ending = name.rpartition(b".")
        name = mutate.octets(chance, stem, (b"a",)).replace(b"\n", b"") + dot + ending
    return name + newline + mutate.lines(chance, content, [content])


def _names(_scratch: Path) -> Call:
    """Folders and items as a mail server may give them: their files have names that lead nowhere else."""

    def read(data: bytes) -> None:
        folders = {}
        for text in json.loads(data)["folders"]:
            if isinstance(text, list) and len(text) == 3 and all(isinstance(one, str) for one in text):
                folders[text[0]] = ItemState(text[0], kinds.FOLDER, text[1], text[2])
        paths_of(folders.values())
        few = list(folders.values())[:20]
        for kind in (kinds.MESSAGE, kinds.DOCUMENT):
            for folder in few:
                item = ItemState("257", kind, folder.item_id, folder.name, date=5)
                parts = exporter._path(item, folders).split("/")
                assert not set(parts) & {"", ".", ".."} and all(0 < len(os.fsencode(part)) < 256 for part in parts), (
                    parts
                )
                assert not any("\0" in part for part in parts)

    return read


def _values(chance: random.Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    value: Any = json.loads(data)
    for _change in range(chance.choice((1, 3, 10))):
        value = {"folders": mutate.changed_value(chance, value["folders"])}
        if not isinstance(value["folders"], list):
            value["folders"] = [value["folders"]]
    changed = json.dumps(value).encode()
    return changed if len(changed) < mutate.MOST else data


def _folders() -> list[bytes]:
    return [
        json.dumps(
            {
                "folders": [
                    ["1", "", ""],
                    ["2", "1", "Inbox"],
                    ["257", "2", "a/b"],
                    ["258", "257", "c"],
                    ["259", "260", "d"],
                    ["260", "259", "e"],
                ]
            }
        ).encode()
    ]


def _retarget(_scratch: Path) -> Call:
    return lambda data: sieve.retarget(data, lambda name: name + "x" if "I" in name else None)


TARGETS: Final = (
    Target(
        "mbox",
        lambda: [seeds.MBOX, *(b"From a b\n" + one for one in seeds.real("mail"))],
        _reading("box.mbox"),
        mutate.lines,
    ),
    Target("mail", lambda: [seeds.MAIL, *seeds.real("mail"), *seeds.real("weird")], _reading("a.eml"), mutate.lines),
    Target("maildir", lambda: [seeds.MAIL, *seeds.real("weird")], _reading("box/cur/1:2,FS"), mutate.lines),
    Target("calendar", lambda: [seeds.CALENDAR, *seeds.real("ics")], _reading("a.ics"), mutate.lines),
    Target("card", lambda: [seeds.CARD, *seeds.real("vcf")], _reading("a.vcf"), mutate.lines),
    Target("script", lambda: [seeds.SCRIPT, *seeds.real("sieve")], _reading("a.sieve"), mutate.lines),
    Target("tar", _archives, _reading("a.tar"), _tar, seconds=60, spare=64 * (1 << 20) + 3 * _HELD),
    _packed_target("tar.gz", "a.tar.gz", _archives, _tar),
    _packed_target("tar.zst", "a.tar.zst", _archives, _tar, zstd=True),
    _packed_target("mbox.gz", "a.mbox.gz", lambda: [seeds.MBOX], mutate.lines),
    Target("import and export", _named_files, _importing, _file),
    Target("names of exported files", _folders, _names, _values),
    Target("folders of a script", lambda: [seeds.SCRIPT, *seeds.real("sieve")], _retarget, mutate.lines),
)
