# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a standby has the primary's commits from: its archive, of which it retrieves what is new.

What was retrieved once is what the archive must always hold: an archive that holds less, or something else, was put
back or has got a second writer, and is not followed any further.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Final

from ..archive.port import Archive
from ..backup import commits
from ..backup.catalogue import Damage
from ..backup.repository import Repository
from ..model.errors import Damaged, InvalidInput, NotABackup, NotFound, Refused, RestanteError
from ..operations.progress import Progress
from ..restore.retrieve import retrieve
from ..scan import alive, witness
from ..scan.alive import Sign
from ..scan.witness import Seen

CHECK_SECONDS: Final = 60.0
"""After which an archive in which nothing is new is looked at all the same: whether it is still the one it was."""


class Diverged(RestanteError):
    """The archive is not what it was: another history than the one that the standby has followed."""


class Origin:
    """The archive of a primary, and the directory that its metadata is retrieved into. Used by one thread."""

    def __init__(
        self, archive: Archive, directory: str, masters: Sequence[bytes] = (), seen: Seen | None = None,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """
        :param masters: master keys of which one opens the backup, if it is encrypted. :param seen: what somebody else
            has seen in the archive; None for nothing.
        """
        self.archive = archive
        self._directory = directory
        self._masters = masters
        self._seen = seen
        self._check_seconds = check_seconds
        self._checked: float | None = None
        self._repository: Repository | None = None
        self._sign: Sign | None = None
        self._asked: float | None = None
        """When that was read."""
        self._damages: list[Damage] = []
        """What could not be retrieved the last time."""

    def close(self) -> None:
        """Close what was opened."""
        if self._repository is not None:
            self._repository.close()
            self._repository = None

    def repository(self) -> Repository:
        """Return what was retrieved. :raises NotABackup: nothing was yet."""
        if self._repository is None:
            self._repository = Repository.open(self._directory, masters=self._masters)
        return self._repository

    def retrieved(self) -> bool:
        """Return whether anything was retrieved."""
        try:
            return self.repository().head() is not None
        except NotABackup:
            return False

    def is_ahead(self) -> bool:
        """Return whether the archive has something new, or is to be checked again; one request."""
        due = self._checked is None or time.monotonic() - self._checked >= self._check_seconds
        if due or not self.retrieved():
            return True
        return self.archive.size(commits.name(self.repository().newest() + 1)) is not None

    def sign(self) -> Sign | None:
        """Return the primary's last sign of life, which is asked for now and then; None for none."""
        now = time.monotonic()
        if self._asked is None or now - self._asked >= self._check_seconds:
            self._asked = now
            with contextlib.suppress(RestanteError):  # an archive that is away is told by what comes next
                self._sign = alive.read(self.archive)
        mine = self._sign is not None and self._sign.repository == self.repository().repository_id
        return self._sign if mine else None

    def fetch(self, progress: Progress) -> None:
        """Retrieve what is new.

        :raises Diverged: the archive holds another history than before. :raises RestanteError: as for retrieve().
        """
        self._compare()
        try:
            report = retrieve(self.archive, self._directory, progress=progress, masters=self._masters)
        except InvalidInput as error:
            raise Diverged(str(error)) from error
        if self.repository().damages():
            self.close()  # opened anew, it sees whether what was damaged has come now
        self.repository().refresh()
        self._damages = list(report.damages)
        self._checked = time.monotonic()

    def damages(self) -> list[Damage]:
        """Return what of the backup cannot be read, in the archive or of what was retrieved."""
        return list(dict.fromkeys([*self._damages, *(self.repository().damages() if self.retrieved() else ())]))

    def _compare(self) -> None:
        """Make sure that the newest commit that was retrieved is in the archive still."""
        if not self.retrieved():
            return
        repository, where = self.repository(), self.archive.describe()
        newest = repository.newest()
        mine = repository.files.read(commits.name(newest))
        try:
            theirs = self.archive.get(commits.name(newest))
        except NotFound as error:
            # Where all of it is gone, a disk is not mounted or a bucket is away: that is waited for.
            if self.archive.size(commits.FORMAT_FILE) is None:
                raise NotABackup(f"There is no backup in {where} now; the standby had followed one there.") from error
            raise Diverged(
                f"{where} does not hold commit {newest} any more, which the standby has: it was put back to an older "
                "state. Find out by whom. If the primary itself goes on from there, set up a new standby."
            ) from error
        if theirs == mine:
            return
        try:
            commits.parse(theirs, commits.name(newest), repository.keys)
        except Damaged:
            return  # altered, and no commit of anybody: the retrieval tells
        raise Diverged(
            f"Commit {newest} in {where} is another than the one that the standby has: two writers, or an archive that "
            "was put back to an older state and gone on with. Find out by whom. If that is the primary's backup now, "
            "set up a new standby."
        )

    def check_witness(self) -> None:
        """Compare what was retrieved with what somebody else has seen. :raises Diverged: it is older, or another."""
        if self._seen is None:
            return
        repository = self.repository()
        if self._seen.repository != repository.repository_id:
            raise Diverged(
                f"The witness is of backup {self._seen.repository}, {self.archive.describe()} holds "
                f"{repository.repository_id}. Name the one of this primary."
            )
        try:
            witness.check(self._seen, self.archive, repository.newest())
        except Refused as error:
            raise Diverged(str(error)) from error
        self._seen = None
