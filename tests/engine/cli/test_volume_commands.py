# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes by the commands of the documentation."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings


class Machine:
    """A node with an empty mail store, and its command line in this process."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys
        self._config_file = str(root / "restante.json")
        settings_file.save(self._config_file, Settings(mailstore_path=str(root / "store"), state_path=str(root)))
        with contextlib.closing(EmbeddedStore.create(str(root / "store"))):
            pass

    def run(self, *words: str) -> tuple[int, str, str]:
        """Type a command of powerstore; return exit status, output and messages."""
        status = main(["--config-file", self._config_file, "--json", "powerstore", *words])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def answer(self, *words: str) -> Any:
        """Return what a command answers that succeeds."""
        status, output, messages = self.run(*words)
        assert status == 0, messages
        return json.loads(output)

    def volumes(self) -> dict[str, dict[str, Any]]:
        """Return the volumes by name."""
        return {volume["name"]: volume for volume in self.answer("getAllVolumes")}


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def test_a_volume_is_made_changed_made_current_and_deleted(machine: Machine) -> None:
    """R-311: the tuning before an import, and back."""
    path = str(machine.root / "message2")
    made = machine.answer("doCreateVolume", "FileBlob", "message2", "primary", path, "volume_compressed", "true")
    assert (made["path"], made["compressed"], made["compression_threshold"]) == (path, True, 4096)
    assert not made["current"]
    machine.answer("doUpdateVolume", "FileBlob", "message2", "current_volume", "true")
    assert [name for name, volume in machine.volumes().items() if volume["current"]] == ["message2"]
    machine.answer(
        "doupdatevolume", "fileblob", "message2", "volume_compressed", "false", "compression_threshold", "10",
        "volume_name", "inbox",
    )
    changed = machine.volumes()["inbox"]
    assert (changed["compressed"], changed["compression_threshold"], changed["current"]) == (False, 10, True)
    assert machine.run("doDeleteVolume", "inbox")[0] == 1
    machine.answer("doUpdateVolume", "FileBlob", "message1", "current_volume", "true")
    assert machine.answer("doDeleteVolume", "inbox") == "ok"
    assert machine.answer("doDeleteVolume", "inbox") == "there is no volume inbox"
    assert list(machine.volumes()) == ["message1"]


def test_a_volume_is_shown_with_what_it_holds_where_that_is_asked_for(machine: Machine) -> None:
    shown = machine.answer("getVolumeStats", "message1")
    assert (shown["name"], shown["compressed"], shown["threshold"]) == ("message1", False, 4096)
    assert not {"totSize", "blobNumber"} & set(shown)
    more = machine.answer("getVolumeStats", "message1", "show_volume_size", "true", "show_blob_num", "true")
    assert more == {**shown, "totSize": 0, "blobNumber": 0}


def test_current_volume_false_takes_it_from_none(machine: Machine) -> None:
    machine.answer("doUpdateVolume", "FileBlob", "message1", "current_volume", "false", "volume_compressed", "true")
    assert machine.volumes()["message1"]["current"] and machine.volumes()["message1"]["compressed"]


@pytest.mark.parametrize(("words", "sentence"), [
    (["doUpdateVolume", "FileBlob", "MESSAGE1", "current_volume", "true"], "its name is case-sensitive"),
    (["doUpdateVolume", "FileBlob", "message1", "volume_path", "/elsewhere"], "cannot change"),
    (["doUpdateVolume", "FileBlob", "message1", "volume_type", "index"], "it is one of primary, secondary"),
    (["doCreateVolume", "FileBlob", "message1", "primary", "other"], "exists already"),
    (["doCreateVolume", "S3", "message1", "primary", "id"], "is followed by one of FileBlob"),
    (["doDeleteVolume", "message1"], "is current"),
    (["doDeleteVolume", " "], "volume_name is empty"),
    (["doUpdateVolume", "FileBlob", "message1", "compression_threshold", "9" * 20], "from 0 to"),
    (["doDeduplicate", "message1,nowhere", "--sync"], "no volume 'nowhere'"),
    (["getVolumeStats", "Message1"], "its name is case-sensitive"),
])
def test_what_cannot_be_done_is_named(machine: Machine, words: list[str], sentence: str) -> None:
    """R-312: the names of volumes are case-sensitive."""
    status, output, messages = machine.run(*words)
    assert (status, output) == (1, "") and sentence in messages
    assert list(machine.volumes()) == ["message1"] and machine.volumes()["message1"]["current"]


def test_duplicates_are_counted_and_only_then_replaced(machine: Machine) -> None:
    """R-313."""
    with contextlib.closing(EmbeddedStore.open(str(machine.root / "store"))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        for name in ("ann", "bob"):
            store.create_entry(Entry(name, kinds.ACCOUNT, f"{name}@example.com"))
            store.write_items(name, [NewItem("", ItemState("", kinds.MESSAGE, "2", date=1), b"the same" * 99)])
    counted = machine.answer("--sync", "doDeduplicate", "message1", "dry_run", "true")["message1"]
    assert counted == {
        "checked_mailboxes": 2, "duplicated_blobs": 1, "already_deduplicated_blobs": 0, "skipped_blobs": 0,
        "invalid_digests": 0, "space_saved": 792,
    }
    assert machine.answer("--sync", "doDeduplicate", "message1")["message1"] == counted
    again = machine.answer("--sync", "doDeduplicate", "message1")["message1"]
    assert (again["duplicated_blobs"], again["already_deduplicated_blobs"]) == (0, 1)
