# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the catalogue follows the commits: what is damaged is named and left out, the rest is taken in.

Each pack is taken in whole, in a change of its own, so that several processes may do it at once and none does what
another did. The heads and the number of the commit follow when all its packs are in.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

from ..model.errors import Damaged, NotFound, Refused, RestanteError
from . import commits, frames, journals, packs
from .catalogue import Catalogue, Damage
from .commits import Commit, FormatInfo, PackInfo
from .files import Files, is_of_the_disk, is_of_the_file
from .keys import Forgotten, Keys

_UNKNOWN = "What only it records or names is unknown."


class _Moved(Exception):
    """Another process has changed where the catalogue stands."""


class Intake:
    """Brings a catalogue up to what lies in a directory."""

    def __init__(self, files: Files, catalogue: Catalogue, info: FormatInfo, keys: Keys | None = None) -> None:
        """:param keys: those of the backup; None for one that is not encrypted."""
        self._files = files
        self._catalogue = catalogue
        self._info = info
        self._keys = keys

    def begin(self) -> None:
        """Make anew a catalogue that is of another backup or time, or names damages of files that changed since.

        :raises Refused: it cannot be told for now. :raises NotABackup: a commit is of a newer format.
        """
        before = self._catalogue.all_meta()
        if before and not self._is_sound(before):
            with self._catalogue.changing():
                if self._catalogue.all_meta() == before:  # or another process has done it
                    self.rebuild()

    def _is_sound(self, meta: dict[str, str]) -> bool:
        try:
            if "head" in meta:
                head, _error = self._readable(int(meta["head"]))
                if head is None or head.hash != meta["hash"]:
                    return False
            newest = int(meta.get("newest", "0"))
            if newest < int(meta.get("head", "0")) or (newest and not self._is_there(newest)):
                return False
        except (ValueError, KeyError):
            return False
        if any(map(self._catalogue.knows, self._forgotten())):
            return False
        return meta.get("repository", self._info.repository) == self._info.repository and all(
            self._files.version(damage.file) == version for damage, version in self._catalogue.damages()
        )

    def _forgotten(self) -> set[str]:
        return self._keys.forgotten() if self._keys is not None else set()

    def rebuild(self) -> None:
        """Make the catalogue anew; others see the old one until the new one is complete.

        :raises NotABackup: a commit is of a newer format.
        """
        with self._catalogue.changing():
            self._catalogue.clear()
            self.catch_up()

    def catch_up(self) -> None:
        """Take in the commits that are new. :raises NotABackup: one is of a newer format."""
        while True:
            try:
                return self._follow()
            except _Moved:
                pass

    def _follow(self) -> None:
        known = began = self._known()
        damages = len(self._catalogue.damages())
        newest = self._newest(known)
        after = known or self._base(newest) - 1
        for seq in self._numbers(after + 1, newest):
            self._commit(seq, known, after)
            known = after = seq
        if began and len(self._catalogue.damages()) > damages and self._base(newest) > began:
            # What was passed on the way is not all there any more, and nothing before the full commit is needed.
            with self._standing_at(known):
                self._catalogue.clear()
                self._follow()
            return
        noted = str(len(self._catalogue.damages()))
        if self._catalogue.meta("damages", "0") != noted:
            # A token promises that all before it is recorded. These commits promised it without knowing of a damage.
            with self._standing_at(known):
                self._catalogue.forget_tokens()
                self._catalogue.set_meta("damages", noted)

    def _known(self) -> int:
        return int(self._catalogue.meta("newest", "0"))

    @contextlib.contextmanager
    def _standing_at(self, known: int) -> Iterator[None]:
        """Change the catalogue if its newest commit is still the one that is known.

        :raises _Moved: another process has taken in more, or has cleared it.
        """
        with self._catalogue.changing():
            if self._known() != known:
                raise _Moved
            yield

    def read(self, seq: int) -> Commit:
        """Return a commit. :raises NotFound, Refused, Damaged: there is none that can be read."""
        name = commits.name(seq)
        commit = commits.parse(self._files.read(name), self._files.path(name), self._keys)
        if commit.seq != seq or commit.repository != self._info.repository:
            raise Damaged(f"{self._files.path(name)} is commit {commit.seq} of backup {commit.repository}.")
        return commit

    # -- finding commits -------------------------------------------------------------------------------------------

    def _newest(self, after: int) -> int:
        """Return the number of the newest commit file: without a listing where one is known and no gap follows it."""
        newest = after
        if after:
            while self._is_there(newest + 1):
                newest += 1
            if not any(self._is_there(newest + (1 << power)) for power in range(1, 12)):
                return newest
        return max(self._all_numbers(), default=newest)

    def _all_numbers(self) -> Iterator[int]:
        """Yield the numbers of all commit files, in no order."""
        return filter(None, map(commits.number, self._files.scan(commits.DIRECTORY)))

    def _numbers(self, first: int, last: int) -> Iterator[int]:
        """Yield the numbers of commit files in order. What lies between two of them is not looked for one by one."""
        seq = first
        while seq <= last:
            if self._is_there(seq):
                yield seq
                seq += 1
            else:
                seq = min((number for number in self._all_numbers() if number > seq), default=last + 1)

    def _base(self, newest: int) -> int:
        """Return the newest full commit that can be read: nothing before it is needed. 1 where there is none."""
        seq = newest
        while seq > 1:
            commit, _error = self._readable(seq)
            if commit is None:
                there = self._is_there(seq)
                seq = seq - 1 if there else max((number for number in self._all_numbers() if number < seq), default=1)
            elif commit.full:
                return seq
            else:
                seq = min(commit.checkpoint, seq - 1)
        return 1

    def _is_there(self, seq: int) -> bool:
        return self._files.size(commits.name(seq)) is not None

    # -- taking in -------------------------------------------------------------------------------------------------

    def _commit(self, seq: int, known: int, after: int) -> None:
        """Take in a commit.

        :param known: the newest commit in the catalogue. :param after: the number of the file before this one.
        """
        commit, error = self._readable(seq)
        named = commit
        if commit is not None:
            commit = self._with_sizes(commit)
            with self._standing_at(known):
                self._catalogue.set_meta("repository", commit.repository)
                for pack in commit.packs:
                    if pack.kind == packs.BLOBS:
                        self._catalogue.add_pack(pack)
            for pack in commit.packs:
                if pack.kind == packs.METADATA and not self._catalogue.has_pack(pack.name):
                    self._metadata_pack(pack, known)
        with self._standing_at(known):
            if seq > after + 1:
                self._note(commits.name(after + 1), f"Commits {after + 1} to {seq - 1} are missing.", _UNKNOWN)
            if commit is None:
                self._note(commits.name(seq), error, _UNKNOWN)
            else:
                if commit != named:
                    reason = "It has a wrong size for a pack that is whole: it was altered."
                    self._note(commits.name(seq), reason, _UNKNOWN)
                self._finish(commit)
            self._catalogue.set_meta("newest", str(seq))

    def _readable(self, seq: int) -> tuple[Commit | None, str]:
        """Return a commit, or None and why it cannot be read.

        :raises Refused: it may not be read for now, which is no damage: nothing may be written as if it were lost.
        """
        try:
            return self.read(seq), ""
        except (Damaged, NotFound) as error:
            return None, str(error)
        except Refused as error:
            if is_of_the_disk(error):
                return None, str(error)
            raise

    def _finish(self, commit: Commit) -> None:
        """Take in what a commit says of the backup as a whole, when its packs are in."""
        name = commits.name(commit.seq)
        head, head_hash = self._catalogue.meta("head", "0"), self._catalogue.meta("hash")
        if int(head) == commit.seq - 1 and head_hash and commit.previous != head_hash:
            self._note(name, f"It does not follow commit {head}: one of the two was altered or replaced.", _UNKNOWN)
        for pack in commit.packs:
            if pack.kind == packs.BLOBS and not self._catalogue.is_indexed(pack.name):
                self._own_index(pack)
        if commit.removed:
            self._catalogue.remove_packs(commit.removed)
        commit = self._with_owners(commit)
        self._catalogue.set_heads(commit)
        for pack in commit.packs:
            if pack.kind == packs.METADATA:
                self._chains(pack)
        for scope, newest in commit.heads.items():
            if not self._catalogue.has_segment(newest.segment) and scope not in self._forgotten():
                self._note(
                    f"journal {scope}",
                    f"The newest segment ({newest.number}) of the journal {scope} in commit {commit.seq} is lost.",
                    f"The newest changes of {scope} as of then are unknown.",
                )
        self._catalogue.set_meta("head", str(commit.seq))
        self._catalogue.set_meta("hash", commit.hash)

    def _with_sizes(self, commit: Commit) -> Commit:
        """Return a commit with the size of every pack that is here and whole."""
        return commit._replace(packs=tuple(map(self._with_size, commit.packs)))

    def _with_size(self, pack: PackInfo) -> PackInfo:
        name = packs.file_name(pack.name)
        if self._files.size(name) in (None, pack.size):
            return pack
        try:
            data = self._files.read(name)
        except (NotFound, Refused):  # what is wrong with it is told by who needs it
            return pack
        return pack._replace(size=len(data)) if hashlib.sha256(data).hexdigest() == pack.name else pack

    def _with_owners(self, commit: Commit) -> Commit:
        """Return a commit in which every newest segment is that of the journal which it is of."""
        heads = {}
        for scope, newest in commit.heads.items():
            owner = self._catalogue.owner(newest.segment) or scope
            if owner != scope:
                reason = f"It names a segment of the journal {owner} as the newest one of {scope}: it was altered."
                self._note(commits.name(commit.seq), reason, _UNKNOWN)
            if owner == scope or owner not in commit.heads:
                heads[owner] = newest
        return commit._replace(heads=heads)

    def _metadata_pack(self, pack: PackInfo, known: int) -> None:
        """Take in a pack of metadata. :raises Refused: it cannot be read for now."""
        name = packs.file_name(pack.name)
        try:
            data = self._files.read(name)
        except (NotFound, Refused) as error:
            _raise_if_passing(error)
            with self._standing_at(known):
                self._catalogue.add_pack(pack)
                self._note(name, str(error), _UNKNOWN)
            return
        with self._standing_at(known):
            if not self._catalogue.add_pack(pack):
                return  # another process was quicker
            if hashlib.sha256(data).hexdigest() != pack.name:
                self._note(
                    name, f"It is altered or cut short ({len(data)} of {pack.size} bytes).",
                    "What is whole in it was taken in.",
                )
            for offset, header in packs.frames_of(data):
                try:
                    self._frame(pack, header, memoryview(data)[offset: offset + header.length])
                except Forgotten:
                    continue
                except Damaged as error:
                    self._note(name, f"At {offset}: {error}", "The changes recorded there are unknown.")

    def _frame(self, pack: PackInfo, header: frames.Header, frame: memoryview) -> None:
        if header.kind == frames.SEGMENT:
            digest, data = frames.content(frame, keys=self._keys)
            self._catalogue.add_segment(digest.hex(), *journals.read(data), pack.name)
        elif header.kind == frames.INDEX:
            self._catalogue.add_index(*packs.decode_index(frames.decode(frame, keys=self._keys)), pack.name)

    def _chains(self, pack: PackInfo) -> None:
        """Note what is missing before the segments of a pack: known only when all packs of a commit are in."""
        for scope, number, first in self._catalogue.orphans(pack.name):
            self._note(
                f"journal {scope}", f"The segment before number {number} cannot be read.",
                f"Changes of {scope} before transaction {first} are unknown.",
            )

    def _own_index(self, pack: PackInfo) -> None:
        """Take in the index at the end of a blob pack whose copy was lost with a metadata pack.

        :raises Refused: it cannot be read for now.
        """
        name = packs.file_name(pack.name)
        try:
            footer = self._files.read_range(name, pack.size - packs.FOOTER_SIZE, packs.FOOTER_SIZE)
            index = frames.decode(self._files.read_range(name, *packs.footer(footer)), keys=self._keys)
            self._catalogue.add_index(pack.name, packs.decode_index(index)[1], pack.name)
        except (Damaged, NotFound, Refused) as error:
            _raise_if_passing(error)
            self._note(name, str(error), "What lies in it is unknown and cannot be restored.")

    def _note(self, file: str, reason: str, consequence: str) -> None:
        """Name a damage; inside changing()."""
        self._catalogue.add_damage(Damage(file, reason, consequence), self._files.version(file))


def _raise_if_passing(error: RestanteError) -> None:
    """Let an error through that is no damage of a file: once noted, it would be believed by all who come later."""
    if isinstance(error, Refused) and not is_of_the_file(error):
        raise error
