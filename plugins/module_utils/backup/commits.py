# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commits: the points at which the backup is whole. Pure: bytes in, values out (docs/format.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..model import foreign
from ..model.errors import Damaged, NotABackup
from . import frames
from .keys import Keys

FORMAT: Final = 1
FORMAT_FILE: Final = "format.json"
ENCRYPTION: Final = "encryption"
"""The feature of a backup whose packs and commits are encrypted."""
DIRECTORY: Final = "commits"
FARTHEST: Final = 100_000
"""Commits between one and its full one. Every thousandth is full; what says otherwise would have one read for ever."""
LARGEST_PACK: Final = 1 << 32
"""Bytes. A pack with one content alone has about as many as that, and a content has at most half of it."""
_NAME = re.compile(r"([0-9]{20})\.json")
_PACK = re.compile("[0-9a-f]{64}")


class PackInfo(NamedTuple):
    """A pack that a commit names."""

    name: str
    """SHA-256 of the file, hexadecimal."""
    kind: str
    """packs.BLOBS or packs.METADATA."""
    size: int
    """Bytes of the file."""


class Head(NamedTuple):
    """The newest segment of one journal."""

    segment: str
    """Digest of the segment."""
    number: int
    """1 for the first segment of its journal."""
    last: int
    """Sequence number of its last transaction."""


class Commit(NamedTuple):
    """One commit. A full one (a checkpoint) names all packs, heads and tokens, any other those that are new."""

    seq: int
    at: int
    hash: str
    """SHA-256 of its file."""
    previous: str
    """Hash of the commit before; empty for the first."""
    nonce: str
    """Random, of its writer: two commits are never the same by chance."""
    repository: str
    server: str
    packs: tuple[PackInfo, ...]
    heads: Mapping[str, Head]
    tokens: Mapping[str, str]
    last: int
    """Sequence number of the last transaction of the backup."""
    checkpoint: int
    """Number of the newest full commit, itself included."""
    removed: tuple[str, ...]
    """Packs that are not part of the backup any more."""
    full: bool
    keyring: int = 0
    """Number of the keyring that it was made with; 0 where the backup is not encrypted."""


class FormatInfo(NamedTuple):
    """What format.json says."""

    repository: str
    server: str
    created: int
    encrypted: bool = False


def name(seq: int) -> str:
    """Return the relative file name of a commit."""
    return f"{DIRECTORY}/{seq:020d}.json"


def number(file_name: str) -> int | None:
    """Return the number of the commit that a file name (without folders) stands for, None if for none."""
    match = _NAME.fullmatch(file_name)
    return int(match.group(1)) if match else None


def until(read: Callable[[int], Commit | None], seq: int) -> Iterator[Commit]:
    """Yield the commits up to one of them that there are, in order, from one on that names all.

    :param read: gives a commit by its number; None where there is none.
    """
    newest = next(filter(None, map(read, range(seq, 0, -1))), None)
    if newest is not None:
        yield from filter(None, map(read, range(newest.checkpoint, newest.seq)))
        yield newest


_FIELDS: Final = frozenset(Commit._fields) - {"hash", "keyring"} | {"format"}
"""Of a commit that is not sealed. A later format has others (docs/format.md)."""


def encode(commit: Commit, keys: Keys | None = None) -> bytes:
    """Return the bytes of a commit's file; its hash field is ignored.

    :param keys: those of the backup, which seal the commit; None for one that is not encrypted.
    """
    record: dict[str, Any] = commit._asdict()
    del record["hash"]
    record["format"] = FORMAT
    if keys is None:
        del record["keyring"]
    record["packs"] = [pack._asdict() for pack in commit.packs]
    record["heads"] = {scope: head._asdict() for scope, head in sorted(commit.heads.items())}
    record["tokens"] = dict(sorted(commit.tokens.items()))
    data = json.dumps(record, indent=None, separators=(",", ":"), sort_keys=True).encode("ascii") + b"\n"
    if keys is None:
        return data
    digest = hashlib.sha256(data).digest()
    return frames.encode(frames.COMMIT, data, digest, keys.of_repository(digest))


def parse(data: bytes, file_name: str, keys: Keys | None = None) -> Commit:
    """Read a commit.

    :param file_name: for messages. :param keys: those of the backup; None for one that is not encrypted.
    :raises Damaged: it is cut short or altered, or not sealed by who has the keys.
    :raises NotABackup: it is of a newer format.
    """
    try:
        record = foreign.parse(data if keys is None else _unsealed(data, file_name, keys))
        if record["format"] > FORMAT and set(record) != _FIELDS:  # else it is that number which was altered
            raise NotABackup(
                f"{file_name} was written by a newer version (format {record['format']}); upgrade restante.carbonio "
                "to read it."
            )
        far = record["seq"] - record["checkpoint"]
        if record["format"] != FORMAT or not _sound(record) or not 0 <= far <= FARTHEST or record["checkpoint"] < 1:
            raise ValueError("a value is not of its type or its format, or its full commit is none of those before it")
        if keys is not None and not keys.reach(record["keyring"]):
            raise Damaged(
                f"{file_name} was made with the keyring {record['keyring']}, and the newest one here is "
                f"{keys.ring.number}: somebody has put an older keyring back, or it was not copied with the rest."
            )
        return Commit(
            seq=record["seq"], at=record["at"], hash=hashlib.sha256(data).hexdigest(), previous=record["previous"],
            nonce=record["nonce"], repository=record["repository"], server=record["server"],
            packs=tuple(PackInfo(_pack(p["name"]), p["kind"], p["size"]) for p in record["packs"]),
            heads={scope: Head(h["segment"], h["number"], h["last"]) for scope, h in record["heads"].items()},
            tokens=dict(record["tokens"]), last=record["last"], checkpoint=record["checkpoint"],
            removed=tuple(map(_pack, record["removed"])), full=bool(record["full"]), keyring=record.get("keyring", 0),
        )
    except foreign.UNREADABLE as error:
        raise Damaged(f"{file_name} is cut short or altered; it is no commit that can be read.") from error


def _unsealed(data: bytes, file_name: str, keys: Keys) -> bytes:
    try:
        head = frames.header(data)
        if head.kind != frames.COMMIT or head.length != len(data):
            raise Damaged("It is another kind of frame, or something was put behind it.")
        return frames.decode(data, keys=keys)
    except Damaged as error:
        raise Damaged(f"{file_name} is no commit that was sealed with the keys of this backup. {error}") from error


def _sound(record: Any) -> bool:
    """Return whether the values of a commit can be kept: texts are Unicode, and numbers those of 64 bits."""
    heads, infos = record["heads"].items(), record["packs"]
    numbers = [record[name] for name in ("seq", "at", "last", "checkpoint")]
    numbers.append(record.get("keyring", 0))
    numbers += [head[name] for _scope, head in heads for name in ("number", "last")]
    numbers += [pack["size"] for pack in infos]
    texts = [record[name] for name in ("previous", "nonce", "repository", "server")]
    texts += [text for scope, head in heads for text in (scope, head["segment"])]
    texts += [text for pair in record["tokens"].items() for text in pair]
    texts += [pack["kind"] for pack in infos]
    sizes = all(0 <= pack["size"] <= LARGEST_PACK for pack in infos)
    return all(foreign.fits(one, int) for one in numbers) and all(map(foreign.is_text, texts)) and sizes


def _pack(name: Any) -> str:
    """Return the name of a pack: a digest and nothing else, as files are read and removed by it."""
    if not _PACK.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a pack")
    return str(name)


def encode_format(info: FormatInfo) -> bytes:
    """Return the bytes of format.json."""
    record: dict[str, Any] = {"format": FORMAT, **info._asdict()}
    record["features"] = [ENCRYPTION] if record.pop("encrypted") else []
    return json.dumps(record, separators=(",", ":"), sort_keys=True).encode("ascii") + b"\n"


def parse_format(data: bytes, where: str) -> FormatInfo:
    """Read format.json.

    :param where: the directory or archive, for messages.
    :raises NotABackup: it is not that of a backup, or of one that this version cannot read.
    """
    try:
        record = foreign.parse(data)
        version, features = record["format"], record["features"]
        info = foreign.record(FormatInfo, {
            **{name: record[name] for name in FormatInfo._fields[:-1]}, "encrypted": features == [ENCRYPTION],
        })
    except foreign.UNREADABLE as error:
        raise NotABackup(f"The format.json of {where} cannot be read; this is no backup, or a damaged one.") from error
    if version != FORMAT or features not in ([], [ENCRYPTION]):
        raise NotABackup(
            f"The backup in {where} was written by a newer version (format {version}, features {features}); "
            "upgrade restante.carbonio to read it."
        )
    return info
