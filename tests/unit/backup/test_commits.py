# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commits and format.json as bytes."""

from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import Commit, FormatInfo, Head, PackInfo
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotABackup

COMMIT = Commit(
    seq=7, at=123, hash="", previous="ab" * 32, nonce="cd" * 16, repository="r", server="s",
    packs=(PackInfo("ef" * 32, "blobs", 5),), heads={"b": Head("12" * 32, 3, 99), "a": Head("34" * 32, 1, 98)},
    tokens={"b": "1", "a": "2"}, last=99, checkpoint=1, removed=("56" * 32,), full=False,
)


def test_what_is_written_is_read_and_hashed() -> None:
    data = commits.encode(COMMIT)
    assert commits.parse(data, "x") == COMMIT._replace(hash=hashlib.sha256(data).hexdigest())


def test_a_commit_is_one_line_of_sorted_ascii() -> None:
    data = commits.encode(COMMIT._replace(tokens={"b\u00e9": "1", "a": "2"}))
    assert data.isascii() and data.count(b"\n") == 1 and data.endswith(b"}\n")
    record = json.loads(data)
    assert list(record) == sorted(record) and list(record["heads"]) == ["a", "b"]
    assert record["format"] == 1 and "hash" not in record


@pytest.mark.parametrize("change", [
    {"seq": "x"}, {"packs": None}, {"packs": [{}]}, {"heads": []}, {"heads": {"a": 1}}, {"tokens": 5}, {"format": "x"},
    *({"packs": [{"name": "ab" * 32, "kind": "metadata", "size": size}]} for size in (-1, 2**33, 2**62)),
])
def test_a_commit_with_a_field_that_cannot_be_read_is_damaged(change: dict[str, object]) -> None:
    with pytest.raises(Damaged, match="commits/x"):
        commits.parse(json.dumps({**json.loads(commits.encode(COMMIT)), **change}).encode(), "commits/x")


def test_every_cut_of_a_commit_is_damaged() -> None:
    data = commits.encode(COMMIT)
    for length in range(len(data) - 1):
        with pytest.raises(Damaged):
            commits.parse(data[:length], "x")


def test_a_commit_of_a_newer_format_says_so() -> None:
    with pytest.raises(NotABackup, match="upgrade"):
        commits.parse(json.dumps({"format": 2}).encode(), "x")


@pytest.mark.parametrize("number", [b"0", b"3", b"9"])
def test_a_commit_that_is_like_others_but_for_the_number_of_its_format_is_altered(number: bytes) -> None:
    """As by one wrong bit: it must be put right, and nobody be told to upgrade."""
    with pytest.raises(Damaged):
        commits.parse(commits.encode(COMMIT).replace(b'"format":1', b'"format":' + number), "x")


def test_names_and_numbers() -> None:
    assert commits.name(12) == "commits/00000000000000000012.json"
    assert commits.number("00000000000000000012.json") == 12
    for other in ("12.json", "00000000000000000012.json.ab.part", "x", ""):
        assert commits.number(other) is None


def test_format_json_is_read_and_anything_else_is_no_backup() -> None:
    info = FormatInfo("r", "s", 5)
    data = commits.encode_format(info)
    assert commits.parse_format(data, "here") == info
    record = json.loads(data)
    for change in ({"format": 2}, {"features": ["telepathy"]}, {"created": None}, {"features": None, "format": 3}):
        with pytest.raises(NotABackup):
            commits.parse_format(json.dumps({**record, **change}).encode(), "here")
