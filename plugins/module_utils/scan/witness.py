# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The witness: what an archive was seen to hold, kept where who has the keys of its bucket cannot reach.

Whoever can write to a bucket can also put it back to what it was last week. Nothing in the bucket tells that from a
backup that ended then: so the newest commit that arrived is written down on the node, and where the settings say so in
another place too, which outlives the node.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Final, NamedTuple

from ..archive.port import Archive
from ..backup import commits
from ..backup.files import Files
from ..model import foreign
from ..model.errors import InvalidInput, NotFound, Refused

FILE: Final = "witness.json"


class Seen(NamedTuple):
    """A commit that was in an archive."""

    repository: str
    server: str
    seq: int
    hash: str
    """SHA-256 of its file."""
    archive: str
    """Where, as Archive.describe() says it."""

    def encode(self) -> bytes:
        """Return it as a file."""
        return json.dumps(self._asdict(), sort_keys=True).encode("ascii") + b"\n"


def parse(data: bytes, where: str) -> Seen:
    """Read a witness. :param where: the file, for messages. :raises InvalidInput: it is none."""
    try:
        record: dict[str, Any] = foreign.parse(data)
        return Seen(
            str(record["repository"]), str(record["server"]), int(record["seq"]), str(record["hash"]),
            str(record["archive"]),
        )
    except foreign.UNREADABLE as error:
        raise InvalidInput(f"{where} is no witness of an archive; name the file that uploads have written.") from error


def load(path: str) -> Seen:
    """Read a witness from a file. :raises NotFound, Refused: it is not there, or cannot be read. Errors as parse()."""
    return parse(Files(os.path.dirname(path)).read(os.path.basename(path)), path)


class Witness:
    """Keeps what arrived in one archive."""

    def __init__(self, files: Files, archive: Archive, elsewhere: str = "") -> None:
        """:param files: those of the Backup Path. :param elsewhere: a second file, in another place; empty for none."""
        self.complaint = ""
        """Why the second file could not be written; empty where it could."""
        self._files = files
        self._archive = archive.describe()
        self._elsewhere = elsewhere

    def last(self) -> int:
        """Return the number of the newest commit that was seen in this archive; 0 for none."""
        try:
            seen = parse(self._files.read(FILE), FILE)
        except (NotFound, InvalidInput, Refused):
            return 0
        return seen.seq if seen.archive == self._archive else 0

    def note(self, repository: str, server: str, seq: int) -> None:
        """Write down that a commit of the Backup Path has arrived, unless a newer one was seen in this archive before.

        Where that one is gone, it stays written down until all is there again: so the loss is told until then.

        :raises Refused: the disk does not take it.
        """
        if seq < self.last():
            return
        digest = hashlib.sha256(self._files.read(commits.name(seq))).hexdigest()
        data = Seen(repository, server, seq, digest, self._archive).encode()
        self._files.overwrite(FILE, data)
        self.complaint = ""
        if self._elsewhere:
            try:
                Files(os.path.dirname(self._elsewhere)).overwrite(os.path.basename(self._elsewhere), data)
            except Refused as error:
                self.complaint = f"The witness of the archive was not renewed: {error}"


def check(seen: Seen, archive: Archive, newest: int) -> None:
    """Make sure that an archive still holds what was seen in it.

    :param newest: the number of its newest commit.
    :raises Refused: it holds an older state, or another one.
    """
    where = archive.describe()
    if newest < seen.seq:
        raise Refused(
            f"{where} ends with commit {newest}, and commit {seen.seq} was there: it was put back to an older state, "
            "or is another archive. Look for the newer one (versions of the bucket's objects, another copy), or name "
            "no witness to go on with what is left."
        )
    try:
        data = archive.get(commits.name(seen.seq))
    except NotFound:
        return  # a damage, which is told by itself: what follows does not hang on it
    if hashlib.sha256(data).hexdigest() != seen.hash:
        raise Refused(
            f"Commit {seen.seq} in {where} is not the one that was there: somebody has put another in its place. Look "
            "for the right one (versions of the bucket's objects, another copy)."
        )
