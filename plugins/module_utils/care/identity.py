# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files without which nothing is opened, format.json and the keyring, had again from elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..archive.port import Archive
from ..backup import commits, keyring, keys
from ..backup.commits import Commit, FormatInfo
from ..backup.files import Files
from ..backup.keyring import Keyring
from ..model.errors import Damaged, NotABackup, NotFound, Refused
from .keyrings import fetch_keyring


def is_lost(files: Files) -> bool:
    """Return whether a directory holds commits, and a format.json that says nothing, or none."""
    try:
        commits.parse_format(files.read(commits.FORMAT_FILE), files.root)
        return False
    except (NotFound, NotABackup):
        return _said(files) is not None


def found_again(files: Files, archive_of: Callable[[str], Archive | None]) -> bytes:
    """Return what format.json must be: that of the archive, or one made of what the keyring or the commits say.

    :param archive_of: gives the archive of a server by its id. :raises Damaged: no commit can be read either.
    :raises Refused, Unavailable: the archive cannot be read.
    """
    said = _said(files)
    if said is None:
        raise Damaged(f"{files.root} holds no commit that can be read; retrieve the metadata from the archive.")
    archive = archive_of(said.server)
    if archive is not None:
        with contextlib.suppress(NotFound, NotABackup, Damaged):
            data = archive.get(commits.FORMAT_FILE)
            there = commits.parse_format(data, archive.describe())
            if (there.repository, there.encrypted) == (said.repository, said.encrypted):
                return data
    return commits.encode_format(said)


def _said(files: Files) -> FormatInfo | None:
    """Return what format.json should say; None where there is nothing to tell."""
    number = keyring.newest(files)
    with contextlib.suppress(NotFound, Damaged):
        if number:
            return FormatInfo(*keys.identity_of(files.read(keys.name(number)), files.root), encrypted=True)
    newest = _newest(files)
    return None if newest is None else FormatInfo(newest.repository, newest.server, newest.at)


def _newest(files: Files) -> Commit | None:
    """Return the newest commit that can be read; those of an encrypted backup cannot."""
    numbers = sorted(filter(None, map(commits.number, files.scan(commits.DIRECTORY))), reverse=True)
    for seq in numbers:
        with contextlib.suppress(NotFound, NotABackup, Damaged):
            commit = commits.parse(files.read(commits.name(seq)), commits.name(seq))
            if commit.seq == seq:
                return commit
    return None


def put_keyring_back(files: Files, masters: Sequence[bytes], archive_of: Callable[[str], Archive | None]) -> bool:
    """Fetch the keyring of an encrypted backup from the archive where the directory has lost it; return whether it had.

    :param masters: master keys of which one opens it. :param archive_of: gives the archive of a server by its id.
    :raises Damaged: it is lost in the archive too, or there is none, or the damaged one is newer.
    :raises Refused: the master key is another one.
    :raises Refused, Unavailable: the archive cannot be read.
    """
    lost = _lost_keyring(files, masters)
    if lost is None:
        return False
    archive = archive_of(lost.server)
    if archive is None:
        raise lost.why
    fetch_keyring(archive, files, lost.keyring)
    try:
        lost.keyring.load()
    except Damaged as error:  # one of a higher number than those in the archive
        raise Damaged(
            f"{error} The archive has an older one, which is in {files.root} now. Move the damaged one away, and check "
            "once more; what was encrypted with keys that only the damaged one had cannot be read."
        ) from error
    return True


def has_lost_keyring(files: Files, masters: Sequence[bytes]) -> bool:
    """Return whether a directory holds commits that cannot be read for want of a keyring that can be opened."""
    return _lost_keyring(files, masters) is not None


class _LostKeyring(NamedTuple):
    keyring: Keyring
    server: str
    """Whose it is."""
    why: Damaged | Refused


def _lost_keyring(files: Files, masters: Sequence[bytes]) -> _LostKeyring | None:
    """Return the keyring of a directory that cannot be opened; None where it can, or nothing is encrypted."""
    try:
        info = commits.parse_format(files.read(commits.FORMAT_FILE), files.root)
    except (NotFound, NotABackup):
        return None
    if not (info.encrypted and masters):
        return None
    own = Keyring(files, info, masters)
    try:
        own.load()
    except (Damaged, Refused) as error:
        return _LostKeyring(own, info.server, error)
    return None
