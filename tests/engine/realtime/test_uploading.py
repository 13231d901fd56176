# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Realtime Scanner's uploads to an archive that is slower than what they have to wait for."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import following, status_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume
from ansible_collections.restante.carbonio.plugins.module_utils.scan import upload
from realtime_kit import LiveNode, until

COMMITS = 3 * upload._COMMITS_AHEAD


@pytest.fixture
def backlog(live_node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> LiveNode:
    """A node with a backup that is not archived yet, and a Realtime Scanner that does not wait long."""
    monkeypatch.setattr(status_file, "RETRY_SECONDS", 0.02)
    for name in ("_LAST_UPLOAD", "_UPLOAD_LOOK"):
        monkeypatch.setattr(following, name, 0.02)
    monkeypatch.setattr(status_file, "HEARTBEAT", 0)
    with contextlib.closing(live_node.node.initialised(live_node.store.server_id())) as repository:
        with repository.writer() as writer:
            for number in range(COMMITS):
                writer.append("a", str(number), "message", ItemState(str(number), "message", "2"))
                writer.commit()
    return live_node


@pytest.fixture
def answers(backlog: LiveNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set to have the node's archive, but no other, answer."""
    event, put_file, slow = threading.Event(), DirectoryArchive.put_file, str(backlog.archive)

    def put(self: DirectoryArchive, name: str, path: str, sha256: str) -> None:
        if slow in self.describe():
            event.wait()
        put_file(self, name, path, sha256)

    monkeypatch.setattr(DirectoryArchive, "put_file", put)
    yield event
    event.set()


@contextlib.contextmanager
def scanning(node: LiveNode, looking: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Have a node's Realtime Scanner run. :param looking: called with each look; it may fail."""
    class Scanner:
        def __init__(self, *arguments: Any) -> None:
            self._told = arguments[3]

        def run(self, pause: Callable[[float], bool]) -> None:
            while not pause(0.01):
                self._told()
                looking()

    ended = threading.Event()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(following, "RealtimeScanner", Scanner)
        thread = threading.Thread(target=following.run, args=(node.node,), kwargs={"ended": ended})
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """What the status has ever told of the archive."""
    values: set[Any] = set()

    class Status(following.Status):
        def __setattr__(self, name: str, value: Any) -> None:
            if name in ("archived", "archive_error"):
                values.add(value)
            super().__setattr__(name, value)

    monkeypatch.setattr(following, "Status", Status)
    return values


def archived(node: LiveNode) -> int:
    return following.read_status(node.node).archived


def test_retries_leave_one_upload_at_work_which_ends_when_it_can(
    backlog: LiveNode, answers: threading.Event, told: set[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail server is away, and the archive slow."""
    sync, is_back = upload.Uploader.sync, threading.Event()
    reports: list[upload.UploadReport] = []
    begun: list[int] = []
    retries: list[None] = []

    def counted(self: upload.Uploader, *arguments: Any) -> upload.UploadReport:
        begun.append(len(reports))
        reports.append(sync(self, *arguments))
        return reports[-1]

    def looking() -> None:
        if not is_back.is_set():
            retries.append(None)
            raise Unavailable("The mail server does not answer.")

    monkeypatch.setattr(upload.Uploader, "sync", counted)
    threads = threading.active_count()
    with scanning(backlog, looking):
        until(lambda: len(retries) > 10, "ten retries")
        assert begun == [0], "one upload is at work"
        assert threading.active_count() <= threads + 1 + 2 + upload.THREADS
        is_back.set()
        until(lambda: following.read_status(backlog.node).archive_error == following._BEHIND, "why it is behind")
        answers.set()
        until(lambda: archived(backlog) == COMMITS, "all commits, in the archive")
        assert following.read_status(backlog.node).archive_error == ""
    assert told == {0, "", following._BEHIND, COMMITS}, "what the first has come to is not told any more"
    assert reports[0].commits <= upload._COMMITS_AHEAD, "the first has ended with what it had in hand"


def test_an_upload_that_was_given_up_tells_nothing_of_another_volume(
    backlog: LiveNode, answers: threading.Event, told: set[Any]
) -> None:
    with scanning(backlog):
        until((backlog.archive / backlog.store.server_id()).exists, "the first upload")
        (backlog.path / "new").mkdir()
        settings = dataclasses.replace(
            backlog.node.settings, backup_volume=BackupVolume("local", str(backlog.path / "new"))
        )
        settings_file.save(backlog.config_file, settings)
        until(lambda: following.read_status(backlog.node).archive_error == following._BEHIND, "the wait for it")
        assert archived(backlog) == 0
        backlog.archive.rename(backlog.path / "aside")
        answers.set()
        until(lambda: archived(backlog) == COMMITS, "all commits, in the new archive")
    assert told == {0, "", following._BEHIND, COMMITS}, "it has failed, as its archive was gone"
