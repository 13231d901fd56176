# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A slice of `python -m tests.fuzz`, chosen by a seed; and that the tool finds what there is to be found."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.fuzz import harness, mutate
from tests.fuzz.harness import MIB, Call, Target
from tests.fuzz.targets import TARGETS

COUNT = 100
SLOW = 20
"""Inputs of a target each of which makes a backup, a store or a connection."""
_SLOW = frozenset((
    "backup", "catalogue", "retrieval", "rescue.py", "database of the embedded store", "redo log", "file of a blob",
    "import and export", "answer of an object store", "mailbox.log", "mailbox.log.gz", "mbox.gz", "tar.gz", "tar.zst",
    "ledger of coherency checks", "note of a batch", "compressed twice",
))


@pytest.mark.parametrize("name", TARGETS)
def test_what_others_wrote_is_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    outcome = harness.run(TARGETS[name], 1, SLOW if name in _SLOW else COUNT, tmp_path, lambda text: None)
    assert [finding.what for finding in outcome.findings] == []
    assert outcome.inputs >= SLOW


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_inputs_are_made_of_is_not_refused(name: str, tmp_path: Path) -> None:
    """Or nothing behind the first look at them would be tried."""
    seeds = list(TARGETS[name].seeds())[:SLOW]
    outcome = harness.run(TARGETS[name], 1, len(seeds), tmp_path, lambda text: None, seeds)
    assert outcome.findings == [] and outcome.inputs == len(seeds)
    assert outcome.refused < outcome.inputs


def tried(read: Call, tmp_path: Path, seconds: float = 10) -> list[str]:
    """Return what is found where an input is read so."""
    target = Target("planted", lambda: [b"a"], lambda scratch: read, mutate.octets, seconds)
    outcome = harness.run(target, 1, 2, tmp_path, lambda text: None)
    assert all(Path(finding.file).is_file() for finding in outcome.findings)
    return [finding.what for finding in outcome.findings]


def test_an_error_that_is_none_of_ours_is_found(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        raise KeyError("x")

    assert "KeyError: 'x'" in tried(read, tmp_path)[0]


def test_too_much_memory_is_found_and_what_is_given_back_too(tmp_path: Path) -> None:
    assert "MiB of memory" in tried(lambda data: len(b"x" * (100 * MIB)), tmp_path)[0]


def test_more_memory_than_there_may_be_is_found(tmp_path: Path) -> None:
    assert "MemoryError" in tried(lambda data: bytearray(1 << 40), tmp_path)[0]


def test_a_hang_is_found_with_where_it_is(tmp_path: Path) -> None:
    found = tried(lambda data: time.sleep(60), tmp_path, seconds=0.1)
    assert found[0].startswith("It hangs.") and "in <lambda>" in found[0]


def test_what_takes_too_long_is_found(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass

    # On a machine that is busy, the clock may be quicker than the processor.
    assert tried(read, tmp_path, seconds=0.2)[0].startswith(("It takes 0.3 s", "It hangs."))


def test_a_process_that_dies_is_found(tmp_path: Path) -> None:
    assert "died" in tried(lambda data: os.abort(), tmp_path)[0]


def test_an_input_is_made_again_by_its_number() -> None:
    target = TARGETS["mail"]
    seeds = target.seeds()
    once, again = ([target.input(seeds, 5, number) for number in range(200)] for _time in range(2))
    assert once == again and len(set(once)) > 150
