# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file format.json of a backup, without which nothing is opened, had again from the archive or from commits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ..archive.port import Archive
from ..backup import commits
from ..backup.commits import Commit, FormatInfo
from ..backup.files import Files
from ..model.errors import Damaged, NotABackup, NotFound


def is_lost(files: Files) -> bool:
    """Return whether a directory holds commits, and a format.json that says nothing, or none."""
    try:
        commits.parse_format(files.read(commits.FORMAT_FILE), files.root)
        return False
    except (NotFound, NotABackup):
        return _newest(files) is not None


def found_again(files: Files, archive_of: Callable[[str], Archive | None]) -> bytes:
    """Return what format.json must be: that of the archive, or one made of what the commits say.

    :param archive_of: gives the archive of a server by its id. :raises Damaged: no commit can be read either.
    :raises Refused, Unavailable: the archive cannot be read.
    """
    newest = _newest(files)
    if newest is None:
        raise Damaged(f"{files.root} holds no commit that can be read; retrieve the metadata from the archive.")
    archive = archive_of(newest.server)
    if archive is not None:
        with contextlib.suppress(NotFound, NotABackup, Damaged):
            data = archive.get(commits.FORMAT_FILE)
            if commits.parse_format(data, archive.describe()).repository == newest.repository:
                return data
    return commits.encode_format(FormatInfo(newest.repository, newest.server, newest.at))


def _newest(files: Files) -> Commit | None:
    """Return the newest commit that can be read."""
    numbers = sorted(filter(None, map(commits.number, files.scan(commits.DIRECTORY))), reverse=True)
    for seq in numbers:
        with contextlib.suppress(NotFound, NotABackup, Damaged):
            commit = commits.parse(files.read(commits.name(seq)), commits.name(seq))
            if commit.seq == seq:
                return commit
    return None
