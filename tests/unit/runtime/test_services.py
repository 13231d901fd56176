# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which archive a retrieval takes, and how a node is tuned and put back."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.volumes import PRIMARY, Volume
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    InvalidInput,
    NotABackup,
    NotFound,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, retrieval, tuning, volumes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import IMAP, BackupVolume, Settings
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader


@pytest.fixture
def node(tmp_path: Path) -> Node:
    config_file = str(tmp_path / "etc" / "restante.json")
    places = {name: str(tmp_path / name) for name in ("backup_path", "cache_path", "state_path", "mailstore_path")}
    settings_file.save(config_file, Settings(**places))
    EmbeddedStore.create(places["mailstore_path"]).close()
    return Node.load(config_file)


def put_backup(path: Path, server_id: str) -> None:
    """Put a backup of a server into an archive."""
    with contextlib.closing(Repository.create(str(path.parent / f"of-{server_id}"), server_id)) as repository:
        with repository.writer() as writer:
            writer.append("server", "d", "domain", None)
            writer.commit()
        path.mkdir(exist_ok=True)
        repository.refresh()
        Uploader(repository, DirectoryArchive(str(path), server_id)).sync()


# -- retrieval ---------------------------------------------------------------------------------------------------------


def test_the_only_other_server_of_an_archive_is_found(node: Node, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with contextlib.closing(node.store()) as store:
        put_backup(archive, store.server_id())
    put_backup(archive, "a")
    found = retrieval.find_archive(node, retrieval.in_directory(str(archive)))
    assert found.size("a") is None and found.describe().endswith("/archive/a")


def test_several_servers_ask_for_a_choice(node: Node, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    put_backup(archive, "a")
    put_backup(archive, "b")
    with pytest.raises(InvalidInput, match="say which by server_id: a, b"):
        retrieval.find_archive(node, retrieval.in_directory(str(archive)))
    assert retrieval.find_archive(node, retrieval.in_directory(str(archive)), "b").describe().endswith("/b")


def test_an_archive_with_none_but_ones_own_backup_is_refused(node: Node, tmp_path: Path) -> None:
    with contextlib.closing(node.store()) as store:
        put_backup(tmp_path / "archive", store.server_id())
    with pytest.raises(NotABackup, match="no backup of another server"):
        retrieval.find_archive(node, retrieval.in_directory(str(tmp_path / "archive")))


def test_a_backup_path_is_copied_whole_and_only_once(node: Node, tmp_path: Path) -> None:
    """R-180."""
    put_backup(tmp_path / "archive", "a")
    source, copy = tmp_path / "of-a", tmp_path / "new" / "copy"
    assert retrieval.copy_backup_path(node, str(source), str(copy)).commits == 1
    assert not retrieval.copy_backup_path(node, str(source), str(copy)).changed
    with contextlib.closing(Repository.open(str(copy))) as repository:
        assert repository.server_id == "a" and repository.damages() == []
        assert list(repository.history("server", "d"))


def test_a_copy_never_joins_two_backups(node: Node, tmp_path: Path) -> None:
    for server in ("a", "b"):
        put_backup(tmp_path / "archive", server)
    retrieval.copy_backup_path(node, str(tmp_path / "of-a"), str(tmp_path / "copy"))
    with pytest.raises(InvalidInput, match="another backup"):
        retrieval.copy_backup_path(node, str(tmp_path / "of-b"), str(tmp_path / "copy"))
    with pytest.raises(InvalidInput, match="the Backup Path itself"):
        retrieval.copy_backup_path(node, str(tmp_path / "of-a"), str(tmp_path / "of-a"))


# -- the backup path ---------------------------------------------------------------------------------------------------


def test_a_backup_path_of_another_server_is_refused(node: Node) -> None:
    """R-203."""
    Repository.create(node.settings.backup_path, "another").close()
    with pytest.raises(InvalidInput, match="Backup Path of the server another"):
        backups.smart_scan(node)


def test_an_archive_that_is_away_does_not_stop_the_scan(node: Node, tmp_path: Path) -> None:
    """R-284: nothing is lost, and what is there is told."""
    settings = dataclasses.replace(node.settings, backup_volume=BackupVolume("local", str(tmp_path / "gone")))
    with pytest.raises(NotFound, match="There is no directory"):
        backups.smart_scan(Node(node.config_file, settings))
    assert backups.is_initialised(node), "the scan itself is done"


# -- tuning ------------------------------------------------------------------------------------------------------------


def tune(node: Node, state: str, check_mode: bool = False) -> bool:
    """Call the service; return whether it says that something changed."""
    arguments = {
        "config_file": node.config_file, "state": state, "realtime_scanner": False, "redo_log": False, "compress": True,
    }
    return bool(tuning.answer(Call(arguments, check_mode))["changed"])


def how(node: Node) -> tuple[bool, bool, list[bool]]:
    """Return how the node is set: Realtime Scanner, redo log, compression of each volume."""
    with contextlib.closing(node.store()) as store:
        compressed = [volume.compressed for volume in store.volumes()]
        return Node.load(node.config_file).settings.realtime_scanner, store.redo_log(), compressed


@pytest.fixture
def with_volumes(node: Node, tmp_path: Path) -> Iterator[Node]:
    """A node with a volume that compresses already, and is not current."""
    with contextlib.closing(node.store()) as store:
        store.create_volume(Volume("", "old", PRIMARY, str(tmp_path / "old"), compressed=True))
    yield node


def test_tuning_is_put_back_as_it_was(with_volumes: Node) -> None:
    """R-162, R-163, R-164, R-165."""
    before = how(with_volumes)
    assert tune(with_volumes, "tuned")
    assert how(with_volumes) == (False, False, [True, True])
    assert not tune(with_volumes, "tuned")
    assert tune(with_volumes, "original")
    assert how(with_volumes) == before == (True, True, [False, True])
    assert not tune(with_volumes, "original")


def test_how_it_was_outlives_a_restore_that_was_killed(with_volumes: Node) -> None:
    before = how(with_volumes)
    tune(with_volumes, "tuned")  # ... and the machine goes down here
    tune(with_volumes, "tuned")  # the restore is run again
    tune(with_volumes, "original")
    assert how(with_volumes) == before


def test_check_mode_tunes_nothing(with_volumes: Node) -> None:
    before = how(with_volumes)
    assert tune(with_volumes, "tuned", check_mode=True)
    assert how(with_volumes) == before
    assert not os.path.exists(os.path.join(with_volumes.settings.state_path, tuning.FILE))


def test_where_the_mail_server_is_reached_by_imap_the_realtime_scanner_alone_is_tuned(node: Node) -> None:
    imap = ImapSettings(host="imap.example.com", master_user="m", master_password="p", accounts_file="/accounts")
    settings_file.save(node.config_file, dataclasses.replace(node.settings, mailstore_adapter=IMAP, imap=imap))
    changed = [tune(node, state) for state in ("tuned", "tuned", "original", "original")]
    assert changed == [True, False, True, False]
    assert Node.load(node.config_file).settings.realtime_scanner


def test_check_mode_says_of_a_volume_what_the_run_would(with_volumes: Node) -> None:
    """R-311: also where that is an error."""
    wanted = {"state": "present", **dict.fromkeys(("volume_type", "path", "compressed", "compression_threshold"))}
    for given, sentence in (
        ({"name": "new", "path": with_volumes.settings.mailstore_path + "/volumes/message1"}, "exists already"),
        ({"name": "new", "path": "/dev/null"}, "is no directory"),
        ({"name": "old", "path": "/elsewhere"}, "cannot change"),
        ({"name": "message1", "state": "absent"}, "is current"),
    ):
        for check_mode in (True, False):
            arguments = {**wanted, "current": None, "config_file": with_volumes.config_file, **given}
            with pytest.raises(RestanteError, match=sentence):
                volumes.ensure(Call(arguments, check_mode=check_mode))


def test_a_volume_that_was_deleted_meanwhile_does_no_harm(with_volumes: Node) -> None:
    tune(with_volumes, "tuned")
    with contextlib.closing(with_volumes.store()) as store:
        old = next(volume for volume in store.volumes() if volume.name == "old")
        store.delete_volume(old.volume_id)
    tune(with_volumes, "original")
    assert how(with_volumes) == (True, True, [False])


def test_a_note_that_cannot_be_read_is_told(node: Node) -> None:
    os.makedirs(node.settings.state_path, exist_ok=True)
    with open(os.path.join(node.settings.state_path, tuning.FILE), "w", encoding="utf-8") as file:
        file.write("{")
    with pytest.raises(InvalidInput, match="remove the file"):
        tune(node, "original")
