# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a volume has lost is found, and put back from the backup."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, blob_restore
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

CONTENTS = [b"Subject: %d\n\n" % number + b"text " * 2000 for number in range(4)]


class Machine:
    """A node with four messages that were backed up."""

    def __init__(self, root: Path) -> None:
        self.config_file = str(root / "restante.json")
        places = ("backup_path", "cache_path", "state_path", "mailstore_path")
        settings_file.save(self.config_file, Settings(**{place: str(root / place) for place in places}))
        self.volume = root / "mailstore_path" / "volumes" / "message1"
        with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
            store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
            store.create_entry(Entry("a", kinds.ACCOUNT, "ann@example.com"))
            self.add(store, *CONTENTS)
        backups.smart_scan(self.node)

    @staticmethod
    def add(store: EmbeddedStore, *contents: bytes) -> None:
        """Put messages into the mailbox."""
        state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
        store.write_items("a", [NewItem("", state, content) for content in contents])

    @property
    def node(self) -> Node:
        """The node."""
        return Node.load(self.config_file)

    def files(self) -> list[Path]:
        """Return the files of the volume."""
        return sorted(path for path in self.volume.rglob("*") if path.is_file())

    def readable(self) -> int:
        """Return how many messages can be read, byte for byte."""
        with contextlib.closing(self.node.store()) as store:
            items = [state for state in store.changes("a").items if state.kind == kinds.MESSAGE]
            read = list(store.read_blobs("a", [state.item_id for state in items]))
        return len([content for content in read if isinstance(content, bytes)])

    def module(self, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        """Call the module blob_restore."""
        arguments = {
            "config_file": self.config_file, "volume": "message1", "backup_path": None, "blobs_archive": None,
            "volume_prefix": "", "threads": 4, "compressed": None, "fail_on_unrestored": False,
        }
        return blob_restore.answer(Call({**arguments, **given}, check_mode))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_lost_and_empty_blobs_come_back_and_only_once(machine: Machine) -> None:
    """R-315."""
    first, second, *_rest = machine.files()
    first.unlink()
    second.write_bytes(b"")
    assert machine.readable() == 2
    foretold = machine.module(check_mode=True)
    assert foretold["changed"] and [one["path"] for one in foretold["plan"]] == [
        str(path.relative_to(machine.volume)) for path in (first, second)
    ]
    assert {(one["account"], one["restorable"]) for one in foretold["plan"]} == {("ann@example.com", True)}
    assert machine.readable() == 2 and len(machine.node.operations.list()) == 1
    done = machine.module()
    assert done["changed"] and done["restored"] == {"message": 2} and machine.readable() == 4
    for check_mode in (True, False):
        assert not machine.module(check_mode)["changed"]


def test_a_whole_volume_comes_back_but_not_on_the_wrong_disk(machine: Machine) -> None:
    """R-315: a directory that is not there is a disk that is not mounted."""
    shutil.rmtree(machine.volume)
    with pytest.raises(Refused, match="Mount its disk"):
        machine.module()
    assert not machine.volume.exists()
    machine.volume.mkdir()
    assert machine.module()["restored"] == {"message": 4}
    assert machine.readable() == 4 and {path.stat().st_mode & 0o777 for path in machine.files()} == {0o600}


def test_what_the_backup_does_not_have_is_reported_and_stops_nothing(machine: Machine) -> None:
    with contextlib.closing(machine.node.store()) as store:
        machine.add(store, b"Subject: new\n\nnot backed up")
    for path in machine.files():
        path.unlink()
    foretold = machine.module(check_mode=True)
    assert (foretold["lost"], foretold["restorable"]) == (5, 4)
    assert "(not in the backup)" in foretold["diff"]["prepared"]
    with pytest.raises(Refused, match="Unrestored Items: 1"):
        machine.module(fail_on_unrestored=True)
    assert machine.readable() == 4
    lost, = machine.module()["unrestored_items"]
    assert (lost["account"], lost["kind"], lost["cause"]) == ("ann@example.com", "message", "read error")
    note = machine.node.notifications().list()[-1]
    assert note.subject == "Restore Blobs: ended" and "volume: message1\n" in note.text


@pytest.mark.parametrize("compressed", [True, False])
def test_what_is_written_is_compressed_when_that_is_wanted(machine: Machine, compressed: bool) -> None:
    for path in machine.files():
        path.unlink()
    machine.module(compressed=compressed)
    magics = {path.read_bytes()[:2] == gzip.compress(b"")[:2] for path in machine.files()}
    assert magics == {compressed} and machine.readable() == 4


def test_what_a_killed_attempt_has_left_is_in_nobodys_way(machine: Machine) -> None:
    first = machine.files()[0]
    first.rename(f"{first}.restored")
    assert machine.module()["changed"] and machine.readable() == 4
    assert len(machine.files()) == 4


def test_a_blob_whose_item_is_gone_or_that_is_there_again_is_not_written(machine: Machine) -> None:
    first, second, *_rest = machine.files()
    kept = second.read_bytes()
    first.unlink()
    second.unlink()
    with contextlib.closing(machine.node.store()) as store:
        lost = list(store.missing_blobs("1"))
        contents = {blob.digest: blob for blob in lost}
        assert len(contents) == 2
        with contextlib.closing(machine.node.repository()) as backup:
            pairs = [(blob, backup.read_blob(blob.digest)) for blob in lost]
        store.delete_items("a", [lost[0].item_id])
        second.write_bytes(kept)
        assert store.put_missing_blobs("1", pairs) == [False, False]
        assert not first.exists() and second.read_bytes() == kept
        with pytest.raises(Damaged, match="does not have its digest"):
            store.put_missing_blobs("1", [(lost[1], b"something else")])


def test_a_disk_that_takes_nothing_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.files()[0].unlink()

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with contextlib.closing(machine.node.store()) as store, contextlib.closing(machine.node.repository()) as backup:
        lost = list(store.missing_blobs("1"))
        with pytest.raises(Refused, match=r"does not take its blobs back \(No space left"):
            store.put_missing_blobs("1", [(blob, backup.read_blob(blob.digest)) for blob in lost])


def test_bad_input_is_named(machine: Machine) -> None:
    with pytest.raises(NotFound, match="no volume 'MESSAGE1'; its name is case-sensitive"):
        machine.module(volume="MESSAGE1")
    with pytest.raises(InvalidInput, match="threads is 0"):
        machine.module(threads=0)
    with pytest.raises(NotFound, match="nowhere"):
        machine.module(blobs_archive="nowhere")


def test_the_command_lists_unless_it_is_told_to_write(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """R-315: doRestoreBlobs is a dry run by default."""
    machine.files()[0].unlink()

    def typed(*words: str) -> Any:
        assert main(["--config-file", machine.config_file, "--json", "backup", "doRestoreBlobs", "1", *words]) == 0
        return json.loads(capsys.readouterr().out)

    assert typed()["lost"] == 1
    assert machine.readable() == 3
    assert typed("dryrun", "false", "--sync")["restored"] == {"message": 1}
    assert machine.readable() == 4
