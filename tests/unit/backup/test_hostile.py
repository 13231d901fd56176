# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from a Backup Path or a bucket was perhaps written by somebody else: any bytes give a clear error.

What chance makes of each kind of input is read in tests/fuzz.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, journals
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotABackup

from tests.fuzz.of_backup import COMMIT

READERS: dict[str, Callable[[bytes], object]] = {
    "commit": lambda data: commits.parse(data, "x"),
    "format.json": lambda data: commits.parse_format(data, "x"),
    "segment": journals.read,
}


@pytest.mark.parametrize("kind", ["commit", "format.json", "segment"])
def test_json_nested_too_deep_is_refused(kind: str) -> None:
    with pytest.raises((Damaged, NotABackup)):
        READERS[kind](b"[" * 100_000 + b"\n")


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
