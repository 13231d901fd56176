# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a scan looks at the locks of an archive again."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import SILENT
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import locks
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node

from tests.engine.encryption.encryption_kit import Site


class Locking(DirectoryArchive):
    """A directory that says that it locks, and as any directory cannot."""

    retention = 30 * DAY


def test_locks_that_could_not_be_renewed_are_looked_at_by_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site.create(tmp_path)
    archive = Locking(str(site.archive_path), site.archived.name)
    monkeypatch.setattr(Node, "archive", lambda *_unused: archive)
    node = site.node()
    report = locks.renew(node)["report"]
    assert report["refused"] > 0 and report["first_lock_ends"] == ""
    with site.repository() as repository:
        assert locks.renew_when_due(node, repository, archive, SILENT)[0].refused == report["refused"]
        monkeypatch.setattr(Locking, "lock_until", lambda *_unused: None)
        assert locks.renew_when_due(node, repository, archive, SILENT)[0].renewed == report["files"]
        assert locks.renew_when_due(node, repository, archive, SILENT)[0].files == 0
