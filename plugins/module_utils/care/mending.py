# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting right what a coherency check has found (R-250, R-251; docs/coherency.md).

In this order: what the archive still has is fetched; what the archive lacks is sent; what neither has is taken out of
the backup by one commit, after all that can be saved was written anew; a catalogue that is not right is made anew.
What is altered gets a second name below quarantine/ before anything takes its place: nothing is deleted. When it is
killed, each step is done or not done; the next run goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection
from typing import Final

from ..archive.port import Archive
from ..backup import commits, frames, packs
from ..backup.audit import OTHER, SAME, Audit
from ..backup.commits import Commit
from ..backup.inventory import Inventory
from ..backup.repository import Repository
from ..backup.salvage import Salvage
from ..backup.writer import Writer
from ..model import moment
from ..model.errors import Damaged, NotABackup, NotFound, Refused
from ..model.state import SERVER
from ..operations.progress import SILENT, Progress
from . import rewriting
from .adoption import Unnamed
from .coherency import audit, damage_of, has_contents
from .findings import COMMIT, CONTENTS, FORMAT, METADATA, Fault
from .ledger import ARCHIVE, HERE
from .leftovers import not_needed_here

QUARANTINE: Final = "quarantine"
PATIENCE: Final = 60.0


@dataclasses.dataclass
class Mended:
    """What was done."""

    fetched_files: int = 0
    """From the archive."""
    sent_files: int = 0
    """To the archive."""
    saved_contents: int = 0
    """Written anew, out of packs that are damaged here and there."""
    removed_packs: int = 0
    """Taken out of the backup."""
    set_aside: list[str] = dataclasses.field(default_factory=list)
    """Files that got a name below quarantine/."""
    rebuilt_catalogue: bool = False
    commits: int = 0
    left: list[Fault] = dataclasses.field(default_factory=list)
    """What could not be put right."""

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(
            self.fetched_files or self.sent_files or self.set_aside or self.rebuilt_catalogue or self.commits
        )


class Mend:
    """Puts one backup right, once."""

    def __init__(
        self, repository: Repository, archive: Archive | None, faults: Collection[Fault], folder: str,
        grace: int = 0, progress: Progress = SILENT,
    ) -> None:
        """
        :param archive: None where there is none. :param faults: what the check has found.
        :param folder: below quarantine/; no other run has used it.
        :param grace: milliseconds, see Asked.grace.
        """
        self.done = Mended()
        self._repository = repository
        self._files = repository.files
        self._archive = archive
        self._faults = list(faults)
        self._folder = f"{QUARANTINE}/{folder}"
        self._grace = grace
        self._progress = progress
        self._whole: set[str] = set()
        """Files here that were fetched."""

    def run(self) -> Mended:
        """Do it.

        :raises NotFound, Refused, Unavailable: the archive cannot be read, or something cannot be written or moved;
            what was done is done, and nothing was given up that the archive may have.
        :raises Busy: another process writes to the Backup Path all the time.
        """
        faults = [fault for fault in self._faults if fault.side == HERE]
        while self._fetch(faults) and not self._progress.stopping():
            self._repository.refresh()
            faults = self._faults_of_metadata() + [fault for fault in faults if fault.kind == CONTENTS]
        self._send()
        if self._progress.stopping():
            return self.done
        self._take_out(faults)
        self._aside()
        self._verify()
        return self.done

    # -- from the archive ------------------------------------------------------------------------------------------

    def _fetch(self, faults: Collection[Fault]) -> bool:
        """Fetch what the archive has; return whether that was anything."""
        wanted = dict.fromkeys(
            name for fault in faults if fault.kind in (COMMIT, METADATA, CONTENTS) and not fault.named_rightly
            for name in self._suspects(fault)
        )
        self._progress.phase("fetch", len(wanted))
        before = self.done.fetched_files
        for name in wanted:
            if self._archive is not None and name not in self._whole and not self._progress.stopping():
                self._fetch_file(self._archive, name)
            self._progress.advance(1)
        return self.done.fetched_files > before

    def _suspects(self, fault: Fault) -> list[str]:
        """Return the files that may have to be replaced: of two commits that do not fit, it may be either."""
        if fault.kind != COMMIT:
            return [fault.file]
        seq = commits.number(fault.file.rpartition("/")[2]) or 0
        names = [commits.name(seq - 1), commits.name(seq)] if seq > 1 else [fault.file]
        newest = self._repository.newest()
        while seq < newest and self._files.size(commits.name(seq)) is None:
            seq += 1
            names.append(commits.name(seq))
        return names

    def _fetch_file(self, archive: Archive, name: str) -> None:
        try:
            data = archive.get(name)
        except (NotFound, Damaged):
            return
        here = self._content(name)
        if data == here or not self._is_right(name, data, here):
            return
        self._keep(name)
        self._files.overwrite(name, data)
        self._whole.add(name)
        self.done.fetched_files += 1

    def _is_right(self, name: str, data: bytes, here: bytes | None) -> bool:
        """Return whether these bytes are those that must be under a name here."""
        last = name.rpartition("/")[2]
        seq = commits.number(last)
        if seq is None:
            return hashlib.sha256(data).hexdigest() == last
        commit = self._parsed(seq, data)
        if commit is None or (here is not None and self._fits(seq, self._parsed(seq, here))):
            return False
        return self._fits(seq, commit)

    def _fits(self, seq: int, commit: Commit | None) -> bool:
        """Return whether a commit stands rightly between its neighbours here."""
        if commit is None:
            return False
        before, after = (self._parsed(one, self._content(commits.name(one))) for one in (seq - 1, seq + 1))
        if after is not None:
            return after.previous == commit.hash
        return before is None or commit.previous == before.hash

    def _parsed(self, seq: int, data: bytes | None) -> Commit | None:
        try:
            commit = commits.parse(data or b"", commits.name(seq))
        except (Damaged, NotABackup):
            return None
        return commit if (commit.seq, commit.repository) == (seq, self._repository.repository_id) else None

    def _content(self, name: str) -> bytes | None:
        """Return a file here, None where it cannot be read."""
        try:
            return self._files.read(name)
        except (NotFound, Refused):
            return None

    # -- to the archive --------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """Send what the archive lacks, or has altered."""
        faults = [fault for fault in self._faults if fault.side == ARCHIVE]
        self._progress.phase("send", len(faults))
        for fault in faults:
            if self._archive is not None and not self._progress.stopping():
                self._send_file(self._archive, fault)
            self._progress.advance(1)

    def _send_file(self, archive: Archive, fault: Fault) -> None:
        name, here = fault.file, self._content(fault.file)
        there = _got(archive, name)
        if here is None or here == there or not self._may_replace(fault, archive, here, there):
            return
        if there is not None:
            archive.put(f"{self._folder}/{name}", there)
            self.done.set_aside.append(f"{self._folder}/{name}")
        archive.put(name, here)
        self.done.sent_files += 1

    def _may_replace(self, fault: Fault, archive: Archive, here: bytes, there: bytes | None) -> bool:
        """Return whether a file of the archive is ours, and ours is right. What another writer put there stays."""
        if fault.kind in (METADATA, CONTENTS):
            return hashlib.sha256(here).hexdigest() == fault.file.rpartition("/")[2]
        if fault.kind == FORMAT:
            try:
                other = commits.parse_format(there or b"", archive.describe())
                foreign = other.repository != self._repository.repository_id
            except NotABackup:
                foreign = False
        else:
            seq = commits.number(fault.file.rpartition("/")[2]) or 0
            if not self._fits(seq, self._parsed(seq, here)):
                return False
            after = commits.name(seq + 1)
            foreign = self._parsed(seq, there) is not None and (
                self._content(after) is None or self._content(after) != _got(archive, after)
            )
        if foreign:
            self.done.left.append(fault._replace(consequence="It is from another writer, and stays as it is."))
        return not foreign

    # -- out of the backup -----------------------------------------------------------------------------------------

    def _faults_of_metadata(self) -> list[Fault]:
        with_audit = audit(self._repository, self._progress)
        try:
            named = self._names(packs.METADATA)
            faults = [damage_of(damage, named) for damage in with_audit.damages]
            contents = [pack for pack in with_audit.packs() if pack.kind == packs.BLOBS]
            if has_contents(self._files, contents):
                faults += [
                    Fault(HERE, CONTENTS, packs.file_name(pack.name), "It is missing.") for pack in contents
                    if self._files.size(packs.file_name(pack.name)) != pack.size
                ]
            return faults
        finally:
            with_audit.close()

    def _names(self, kind: str) -> set[str]:
        return {packs.file_name(pack.name) for pack in self._repository.packs() if pack.kind == kind}

    def _take_out(self, faults: Collection[Fault]) -> None:
        """Commit the backup without what neither side has, with all that could be saved written anew."""
        left = [fault for fault in faults if fault.file not in self._whole]
        wrecks = {fault.file for fault in left if fault.kind in (METADATA, CONTENTS)}
        if not any(fault.kind in (COMMIT, METADATA, CONTENTS) or fault.file.startswith("journal") for fault in left):
            return
        read = audit(self._repository, self._progress)
        try:
            if read.held_against(self._repository.catalogue) == OTHER:
                self._repository.rebuild()
                self.done.rebuilt_catalogue = True
            for name in sorted(wrecks):
                self._keep(name)
            with self._repository.writer(PATIENCE) as writer:
                self._write_anew(writer, read, {name.rpartition("/")[2] for name in wrecks}, left)
        finally:
            read.close()

    def _write_anew(self, writer: Writer, read: Audit, wrecks: set[str], left: Collection[Fault]) -> None:
        live = self._repository.catalogue
        if any(fault.kind == COMMIT for fault in left):
            self._adopt(writer)
        named = {pack.name: pack for pack in self._repository.packs()}
        salvage, inventory = Salvage(live, wrecks), Inventory(live)
        lost = self._save_contents(writer, salvage, wrecks)
        starts = salvage.gaps()
        for segment, _digest, content in salvage.segments():
            if content is None:
                starts[segment.scope] = min(segment.first, starts.get(segment.scope, segment.first))
        journals = rewriting.journals_from(inventory, starts)
        touched = {pack.name for pack in inventory.metadata_packs() if pack.number in journals.touched} - wrecks
        for _segment, digest, content in salvage.segments():
            if content is not None and digest not in journals.replaced:
                writer.keep_frame(frames.SEGMENT, content)
        if not rewriting.write(writer, inventory, journals, touched, self._progress):
            return
        for name, entries in salvage.indexes(journals.touched):
            writer.keep_frame(frames.INDEX, packs.encode_index(name, entries))
        tokens = dict.fromkeys(self._to_scan(read, lost, bool(starts or live.damages())), "")
        removed = (wrecks & set(named)) | touched
        if writer.commit(tokens, removed=sorted(removed), full=True) is not None:
            self.done.commits += 1
            self.done.removed_packs += len(removed)
        for fault in left:
            if fault.kind == COMMIT and self._files.size(fault.file) is not None:
                self._keep(fault.file)
                self._files.remove(fault.file)

    def _adopt(self, writer: Writer) -> None:
        """Name again what only a lost commit named."""
        repository = self._repository
        head = repository.head()
        missed = Salvage(repository.catalogue, ()).missed()
        newest_lost = (head.seq if head else 0) < repository.newest()
        if missed or newest_lost:
            found = Unnamed(repository).adopted(missed, repository.catalogue.heads(), newest_lost)
            if found.packs:
                writer.adopt(found.packs, found.heads)
                writer.commit(dict.fromkeys(repository.tokens(), ""), full=True)
                self.done.commits += 1

    def _save_contents(self, writer: Writer, salvage: Salvage, wrecks: Collection[str]) -> set[str]:
        """Write the contents of wrecked packs anew; return the digests of those that neither side has."""
        saved: set[bytes] = set()
        self._progress.phase("salvage", len(wrecks))
        for name in sorted(wrecks):
            data = self._content(packs.file_name(name)) or b""
            for offset, header in packs.frames_of(data):
                if header.kind == frames.BLOB:
                    self._save(writer, memoryview(data)[offset: offset + header.length], header.digest, saved)
            self._progress.advance(1)
        lost = set()
        for place in salvage.blobs():
            digest = bytes.fromhex(place.digest)
            if digest in saved:
                continue
            frame = b""
            if self._archive is not None:
                try:
                    frame = self._archive.get_range(packs.file_name(place.pack), place.offset, place.length)
                except (NotFound, Damaged):
                    pass
            if not self._save(writer, frame, digest, saved):
                lost.add(place.digest)
        return lost

    def _save(self, writer: Writer, frame: bytes | memoryview, digest: bytes, saved: set[bytes]) -> bool:
        try:
            data = frames.decode(frame, digest)
        except Damaged:
            return False
        writer.put_blob(data, again=True)
        saved.add(digest)
        self.done.saved_contents += 1
        return True

    def _to_scan(self, read: Audit, lost: Collection[str], everything: bool) -> set[str]:
        """Return the journals whose mailboxes the next scan must compare anew."""
        if everything:
            return set(self._repository.tokens())
        read.refer([SERVER, *self._repository.scopes()])
        read.lose(list(lost))
        read.lose_unknown()
        return {reference.scope for reference in read.losing()}

    # -- in the end ------------------------------------------------------------------------------------------------

    def _keep(self, name: str) -> None:
        """Give a file a second name in the quarantine (R-251: that it cannot be is an error)."""
        if self._files.size(name) is not None:
            self._files.link(name, f"{self._folder}/{name}")
            self.done.set_aside.append(f"{self._folder}/{name}")

    def _aside(self) -> None:
        """Move files that no commit names out of the way."""
        if any(fault.kind == COMMIT for fault in self._faults):
            return  # it may have been the lost commit that named them: the next run looks again
        newest = None if self._archive is None else self._repository.newest()
        if not not_needed_here(self._repository, self._grace, moment.now(), newest)[0]:
            return
        with self._repository.writer(PATIENCE):
            for name, _size in not_needed_here(self._repository, self._grace, moment.now(), newest)[0]:
                self._keep(name)
                self._files.remove(name)

    def _verify(self) -> None:
        """Look again at commits and metadata, and make the catalogue anew where it does not say what they say."""
        self._repository.refresh()
        read = audit(self._repository, self._progress)
        try:
            named = self._names(packs.METADATA)
            self.done.left += [damage_of(damage, named) for damage in read.damages]
            if self._repository.damages() or read.held_against(self._repository.catalogue) != SAME:
                self._repository.rebuild()
                self.done.rebuilt_catalogue = True
        finally:
            read.close()


def _got(archive: Archive, name: str) -> bytes | None:
    """Return a file of an archive; None where there is none that can be read."""
    try:
        return archive.get(name)
    except (NotFound, Damaged):
        return None
