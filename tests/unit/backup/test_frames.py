# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames and packs, byte by byte."""

from __future__ import annotations

import hashlib
import struct
import zlib

import pytest
import zstandard
from ansible_collections.restante.carbonio.plugins.module_utils.backup import frames, packs
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = st.sampled_from([frames.BLOB, frames.SEGMENT, frames.INDEX])


def test_a_frame_is_what_the_format_says() -> None:
    """R-197."""
    data = b"compressible " * 100
    frame = frames.encode(frames.BLOB, data)
    magic, version, kind, method, cipher = struct.unpack(">4sBBBB", frame[:8])
    assert (magic, version, kind, method, cipher) == (b"RSTF", 1, 1, 1, 0)
    assert frame[8:48] == bytes(40)
    assert frame[48:80] == hashlib.sha256(data).digest()
    size, stored, crc = struct.unpack(">QQI", frame[80:100])
    assert (size, stored, crc) == (len(data), len(frame) - 100, zlib.crc32(frame[:96]))
    assert zstandard.ZstdDecompressor().decompress(frame[100:]) == data


@settings(deadline=None)
@given(KINDS, st.binary(max_size=300))
def test_what_goes_in_comes_out(kind: int, data: bytes) -> None:
    frame = frames.encode(kind, data)
    assert frames.decode(memoryview(frame + b"more"), hashlib.sha256(data).digest()) == data
    assert frames.header(frame).kind == kind
    assert len(frame) <= 100 + len(data)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=200), st.data())
def test_any_altered_byte_is_found(data: bytes, draw: st.DataObject) -> None:
    frame = bytearray(frames.encode(frames.BLOB, data))
    place = draw.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        frames.decode(frame)


@settings(deadline=None)
@given(st.binary(max_size=200), st.data())
def test_any_cut_is_found(data: bytes, draw: st.DataObject) -> None:
    frame = frames.encode(frames.BLOB, data)
    with pytest.raises(Damaged):
        frames.decode(frame[: draw.draw(st.integers(0, len(frame) - 1))])


def test_another_frame_than_expected_is_found() -> None:
    with pytest.raises(Damaged, match="should be"):
        frames.decode(frames.encode(frames.BLOB, b"one"), hashlib.sha256(b"two").digest())


def test_a_frame_of_a_newer_version_says_so() -> None:
    frame = bytearray(frames.encode(frames.BLOB, b"data"))
    frame[4] = 2
    frame[96:100] = struct.pack(">I", zlib.crc32(frame[:96]))
    with pytest.raises(Damaged, match="newer version"):
        frames.decode(frame)


def test_a_frame_that_would_unpack_to_more_than_it_says_is_refused() -> None:
    bomb = bytearray(frames.encode(frames.BLOB, bytes(10_000_000)))
    bomb[80:88] = struct.pack(">Q", 10)
    bomb[96:100] = struct.pack(">I", zlib.crc32(bomb[:96]))
    with pytest.raises(Damaged, match="announced"):
        frames.decode(bomb)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=5), st.binary(max_size=30), st.binary(max_size=30))
def test_frames_are_found_without_an_index(contents: list[bytes], before: bytes, between: bytes) -> None:
    data = before + b"".join(frames.encode(frames.BLOB, content) + between for content in contents) + b"RSTF cut"
    found = [frames.decode(data[offset: offset + head.length]) for offset, head in frames.scan(data)]
    assert found == contents


def make_pack(contents: list[bytes]) -> bytes:
    data, entries = packs.MAGIC, []
    for content in contents:
        frame = frames.encode(frames.BLOB, content)
        digest = hashlib.sha256(content).digest()
        entries.append(packs.IndexEntry(frames.BLOB, digest, len(data), len(frame), len(content)))
        data += frame
    return data + packs.tail(packs.encode_index(packs.ITSELF, entries), len(data))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=5))
def test_a_pack_is_read_by_its_footer(contents: list[bytes]) -> None:
    data = make_pack(contents)
    offset, length = packs.footer(data[len(data) - packs.FOOTER_SIZE:])
    assert offset + length + packs.FOOTER_SIZE == len(data)
    described, entries = packs.decode_index(frames.decode(data[offset: offset + length]))
    assert described == packs.ITSELF
    assert [frames.decode(data[e.offset: e.offset + e.length], e.digest) for e in entries] == contents


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=5), st.data())
def test_a_damaged_header_costs_one_frame_of_a_pack(contents: list[bytes], draw: st.DataObject) -> None:
    data = make_pack(contents)
    lost = draw.draw(st.integers(0, len(contents) - 1))
    offset = [offset for offset, _head in packs.frames_of(data)][lost]
    damaged = data[:offset] + b"XXXX" + data[offset + 4:]
    found = [
        frames.decode(damaged[place: place + head.length])
        for place, head in packs.frames_of(damaged) if head.kind == frames.BLOB
    ]
    assert found == contents[:lost] + contents[lost + 1:]


@pytest.mark.parametrize("data", [b"", b"x" * 10, bytes(packs.FOOTER_SIZE)])
def test_what_is_no_footer_is_found(data: bytes) -> None:
    with pytest.raises(Damaged):
        packs.footer(data)


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
def test_what_is_no_index_is_found(content: bytes) -> None:
    with pytest.raises(Damaged):
        packs.decode_index(content)
