# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups an archive holds, and which of them a recovery would fetch."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import archives
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

NOTHING: dict[str, Any] = {
    "source": None, "bucket_configuration_id": None, "bucket_name": None, "volume_prefix": "", "choose": False,
    "server_id": "",
}


def asked(place: Path, **what: Any) -> dict[str, Any]:
    return archives.answer(Call({**NOTHING, "config_file": str(place / "no-settings.json"), **what}))


def back_up(place: Path, name: str, masters: list[bytes]) -> str:
    """Archive a small server beside others; return its id."""
    with contextlib.closing(EmbeddedStore.create(str(place / name))) as store:
        sample.provision(store, random.Random(name))
        server = store.server_id()
        backup = Repository.create(str(place / f"{name}-backup"), server, masters=masters)
        with contextlib.closing(backup) as repository:
            with repository.writer() as writer:
                smart_scan(store, writer)
            repository.refresh()
            Uploader(repository, DirectoryArchive(str(place / "archive"), server)).sync()
    return server


def size(place: Path, server: str) -> int:
    return sum(file.stat().st_size for file in (place / "archive" / server / "packs").rglob("*") if file.is_file())


def test_the_backups_of_an_archive_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    one = back_up(tmp_path, "one", [])
    found = asked(tmp_path, source=str(tmp_path / "archive"), choose=True)
    assert found["chosen"] == one and not found["problem"]
    [listed] = found["backups"]
    assert listed["server_id"] == one and listed["commit"] >= 1 and not listed["own"] and listed["last_commit"]
    assert listed["metadata_bytes"] + listed["blob_bytes"] == size(tmp_path, one)

    other = back_up(tmp_path, "other", [bytes(32)])
    found = asked(tmp_path, source=str(tmp_path / "archive"), choose=True)
    assert not found["chosen"] and one in found["problem"] and other in found["problem"]
    [sealed] = [backup for backup in found["backups"] if backup["server_id"] == other]
    assert sealed["encrypted"] and sealed["blob_bytes"] is None and sealed["commit"] >= 1
    found = asked(tmp_path, source=str(tmp_path / "archive"), choose=True, server_id=other)
    assert found["chosen"] == other and not found["problem"]


def test_a_server_that_has_no_backup_there_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    back_up(tmp_path, "one", [])
    found = asked(tmp_path, source=str(tmp_path / "archive"), choose=True, server_id="nobody")
    assert not found["chosen"] and "no backup of the server nobody" in found["problem"]
    assert len(found["backups"]) == 1, "what is there is told all the same"


def test_a_node_that_archives_nowhere_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="archives its backup nowhere"):
        asked(tmp_path)
