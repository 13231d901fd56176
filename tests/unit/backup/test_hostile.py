# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from a Backup Path or a bucket was perhaps written by somebody else: any bytes give a clear error."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, journals, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import Commit, FormatInfo, Head, PackInfo
from ansible_collections.restante.carbonio.plugins.module_utils.backup.journals import Segment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotABackup

COMMIT = commits.encode(Commit(
    seq=7, at=123, hash="", previous="ab" * 32, nonce="cd" * 16, repository="r", server="s",
    packs=(PackInfo("ef" * 32, "blobs", 5),), heads={"b": Head("12" * 32, 3, 99)},
    tokens={"b": "1"}, last=99, checkpoint=1, removed=("56" * 32,), full=False,
))
FORMAT = commits.encode_format(FormatInfo("r", "s", 5))
LINES = [journals.line(seq, 5, f"item {seq}", "message", None) for seq in range(1, 4)]
SEGMENT = journals.seal(Segment("a", 1, "", 1, 3), LINES)
FRAME = frames.encode(frames.BLOB, b"a message " * 50)
INDEX = packs.encode_index(packs.ITSELF, [packs.IndexEntry(frames.BLOB, bytes(32), 8, len(FRAME), 500)])

READERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "commit": (COMMIT, lambda data: commits.parse(data, "x")),
    "format.json": (FORMAT, lambda data: commits.parse_format(data, "x")),
    "segment": (SEGMENT, journals.read),
    "frame": (FRAME, frames.decode),
    "frames": (FRAME * 3, lambda data: list(frames.scan(data))),
    "index": (INDEX, lambda data: list(packs.decode_index(data)[1])),
    "footer": (packs.tail(INDEX, 8)[len(frames.encode(frames.INDEX, INDEX)):], packs.footer),
    "pack": (packs.MAGIC + FRAME + packs.tail(INDEX, 8 + len(FRAME)), lambda data: list(packs.frames_of(data))),
}
STRANGE = (b"[" * 100_000, b'{"format":1e999}', b"1e999", b'"', b"-", b"null", b"\x00", b"\xff" * 8, b"9" * 5000, b"")


def disturbed(data: bytes, rng: random.Random) -> bytes:
    """Some bytes with one to four changes: cut, doubled, overwritten, or strange bytes put in."""
    for _change in range(rng.randint(1, 4)):
        start, end = sorted(rng.randrange(len(data) + 1) for _side in range(2))
        data = data[:start] + rng.choice((
            b"", data[start:end] * 2, rng.randbytes(end - start), rng.choice(STRANGE),
            data[start:end].translate(bytes(byte ^ rng.choice((1, 8, 128)) for byte in range(256))),
        )) + data[end:]
    return data


@pytest.mark.parametrize("kind", READERS)
def test_ten_thousand_disturbed_inputs_are_read_or_refused_by_name(kind: str) -> None:
    whole, read = READERS[kind]
    rng = random.Random(kind)
    refused = 0
    for _time in range(10_000):
        try:
            read(disturbed(whole, rng))
        except (Damaged, NotABackup):
            refused += 1
    assert refused or kind in ("frames", "pack"), "what searches refuses nothing; all others must have refused much"


@pytest.mark.parametrize("kind", ["commit", "format.json", "segment"])
def test_json_nested_too_deep_is_refused(kind: str) -> None:
    with pytest.raises((Damaged, NotABackup)):
        READERS[kind][1](b"[" * 100_000 + b"\n")


@pytest.mark.parametrize("field", ["seq", "at", "last", "checkpoint"])
def test_a_number_beyond_all_numbers_is_refused(field: str) -> None:
    record = json.loads(COMMIT)
    with pytest.raises(Damaged):
        commits.parse(json.dumps({**record, field: float("inf")}).encode(), "x")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "", "EF" * 32, "ef" * 32 + "\n", 5, None])
def test_a_commit_that_names_a_pack_by_anything_but_a_digest_is_refused(name: object) -> None:
    record = json.loads(COMMIT)
    for change in ({"removed": [name]}, {"packs": [{"name": name, "kind": "blobs", "size": 5}]}):
        with pytest.raises(Damaged):
            commits.parse(json.dumps({**record, **change}).encode(), "x")


def test_a_frame_that_unpacks_to_more_than_it_says_is_refused_before_it_is_unpacked() -> None:
    bomb = frames.encode(frames.BLOB, bytes(50_000_000))
    head = frames.header(bomb)
    small = frames.encode(frames.BLOB, bytes(1000))
    forged = small[: frames.HEADER_SIZE] + bomb[frames.HEADER_SIZE:]
    assert head.stored < 10_000
    with pytest.raises(Damaged):
        frames.decode(forged)
