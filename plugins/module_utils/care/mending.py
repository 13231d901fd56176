# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting right what a coherency check has found (R-250, R-251; docs/coherency.md).

In this order: what the archive still has is fetched; what neither side has is taken out of the backup by one commit,
after all that can be saved was written anew; what the archive lacks is sent; a catalogue that is wrong is made anew.
What is altered gets a second name below quarantine/ before anything takes its place: nothing is deleted. When it is
killed, each step is done or not done; the next run goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection
from typing import Final

from ..archive.port import Archive
from ..backup import frames, packs
from ..backup.audit import OTHER, SAME, Audit
from ..backup.files import is_of_the_disk
from ..backup.inventory import Inventory
from ..backup.repository import Repository
from ..backup.salvage import Salvage
from ..backup.writer import Writer
from ..model.errors import Damaged, NotFound, Refused
from ..model.state import SERVER
from ..operations.progress import SILENT, Progress
from . import rewriting
from .adoption import Adopted, Unnamed, holes
from .coherency import Stopped, audit, damage_of, has_contents, losses
from .findings import CATALOGUE, COMMIT, CONTENTS, DOUBT, JOURNAL, METADATA, QUARANTINE, Fault, Findings, Mended
from .ledger import ARCHIVE, HERE
from .leftovers import never_named
from .sides import Quarantine, Sides, content

_PATIENCE: Final = 60.0
"""Seconds to wait for another writer."""
_ROUNDS: Final = 6
_COMMITS: Final = (COMMIT, DOUBT)


def mend(
    repository: Repository, archive: Archive | None, found: Findings, look: Callable[[], Findings], folder: str,
    progress: Progress = SILENT,
) -> tuple[Findings, Mended]:
    """Put a backup right; return what is left, and what was done. Errors as Mend.run.

    Where commits were put right, what they name is looked at as well: the first check could not know of it.

    :param archive: None where there is none. :param found: what a check has found. :param look: checks once more.
    :param folder: below quarantine/; no other run has used it.
    """
    done = Mended()
    for _round in range(_ROUNDS):
        one = Mend(repository, archive, found, folder, progress).run()
        done.add(one)
        again = any(fault.kind in _COMMITS for fault in found.faults) and one.changed and not progress.stopping()
        found.faults, found.unneeded = one.left, []
        if not again:
            break
        found = look()
        if found.is_coherent and not found.unneeded:
            break
    return found, done


def plan(found: Findings, repository: Repository, archive: Archive | None) -> list[str]:
    """Return what putting right would do, as far as sizes tell what the archive has."""
    lines = []
    sizes = {packs.file_name(pack.name): pack.size for pack in repository.packs()}
    for fault in found.faults:
        if fault.side == ARCHIVE:
            lines.append(f"{fault.file}: is sent to the archive, if it is whole here")
        elif fault.kind == CATALOGUE:
            lines.append(f"{fault.file}: is made anew")
        elif fault.kind != JOURNAL:
            size = None if archive is None or fault.named_rightly else archive.size(fault.file)
            if size is not None and size == sizes.get(fault.file, size):
                lines.append(f"{fault.file}: is fetched from the archive")
            else:
                lines.append(f"{fault.file}: is taken out; what is whole in it or known otherwise is written anew")
    return [*lines, *(f"{name}: is moved to {QUARANTINE}/; nothing needs it" for name, _size in found.unneeded)]


class Mend:
    """Puts one backup right, once."""

    def __init__(
        self, repository: Repository, archive: Archive | None, found: Findings, folder: str,
        progress: Progress = SILENT,
    ) -> None:
        """
        :param archive: None where there is none. :param found: what the check has found; its losses are brought up to
            what they are in the end.
        :param folder: below quarantine/; no other run has used it.
        """
        self.done = Mended()
        self._repository = repository
        self._files = repository.files
        self._archive = archive
        self._found = found
        self._progress = progress
        self._quarantine = Quarantine(repository.files, f"{QUARANTINE}/{folder}")
        self._sides = None if archive is None else Sides(repository, archive, self._quarantine, progress)

    def run(self) -> Mended:
        """Do it.

        :raises NotFound, Refused, Unavailable: the archive cannot be read, or something cannot be written or moved;
            what was done is done, and nothing was given up that the archive may have.
        :raises Busy: another process writes to the Backup Path all the time.
        """
        with contextlib.suppress(Stopped):
            self._run()
        self.done.set_aside = self._quarantine.names
        return self.done

    def _run(self) -> None:
        faults = [fault for fault in self._found.faults if fault.side == HERE]
        if self._sides is not None:
            while self._sides.fetch(faults) and not self._progress.stopping():
                self._repository.refresh()
                faults = self._faults_now(faults)
            self.done.fetched_files = len(self._sides.fetched)
            faults = [fault for fault in faults if fault.file not in self._sides.fetched]
        if not self._progress.stopping():
            self._take_out(faults)
        if self._sides is not None:
            # Last: what was written anew may be the same pack as before, of which the archive has an altered copy.
            self._sides.send([fault for fault in self._found.faults if fault.side == ARCHIVE])
            self.done.sent_files = self._sides.sent
            self.done.left += self._sides.foreign
        self._verify()

    # -- out of the backup -----------------------------------------------------------------------------------------

    def _faults_now(self, before: Collection[Fault]) -> list[Fault]:
        """Return what is left of faults when files have been fetched."""
        with_audit = audit(self._repository, self._progress)
        try:
            named = {packs.file_name(pack.name): pack for pack in with_audit.packs()}
            faults = [damage_of(damage, self._names(packs.METADATA)) for damage in with_audit.damages]
            faults += [one for one in before if one.kind == DOUBT or (one.kind == CONTENTS and one.file in named)]
            blobs = {name: pack for name, pack in named.items() if pack.kind == packs.BLOBS}
            if self._archive is not None or has_contents(self._files, blobs.values()):
                faults += [
                    Fault(HERE, CONTENTS, name, "It is missing.") for name, pack in blobs.items()
                    if self._files.size(name) != pack.size
                ]
            return faults
        finally:
            with_audit.close()

    def _names(self, kind: str) -> set[str]:
        return {packs.file_name(pack.name) for pack in self._repository.packs() if pack.kind == kind}

    def _take_out(self, left: Collection[Fault]) -> None:
        """Commit the backup without what neither side has, with all that could be saved written anew."""
        left = [fault for fault in left if fault.kind != CONTENTS or self._is_wreck(fault)]
        wrecks = {fault.file for fault in left if fault.kind in (METADATA, CONTENTS)}
        if not any(fault.kind in (*_COMMITS, METADATA, CONTENTS, JOURNAL) for fault in left):
            return
        read = audit(self._repository, self._progress)
        try:
            if read.held_against(self._repository.catalogue) == OTHER:
                self._repository.rebuild()
                self.done.rebuilt_catalogue = True
            for name in sorted(wrecks):
                self._quarantine.keep(name)
            with self._repository.writer(_PATIENCE) as writer:
                self._write_anew(writer, read, {name.rpartition("/")[2] for name in wrecks}, left)
        finally:
            read.close()

    def _is_wreck(self, fault: Fault) -> bool:
        """Return whether a pack is still what the check has found it to be.

        :raises Refused: it cannot be read, and that is not the disk's fault: nothing is given up for it.
        """
        try:
            data = self._files.read(fault.file)
        except NotFound:
            return True
        except Refused as error:
            if is_of_the_disk(error):
                return True
            raise
        return fault.named_rightly or hashlib.sha256(data).hexdigest() != fault.file.rpartition("/")[2]

    def _write_anew(self, writer: Writer, read: Audit, wrecks: set[str], left: Collection[Fault]) -> None:
        # Those that are there: the new commit gets the number of one that is missing at the end of the row.
        given_up = [one.file for one in left if one.kind in _COMMITS and self._files.size(one.file) is not None]
        live = self._repository.catalogue
        self._adopt(writer)
        named = {pack.name: pack for pack in self._repository.packs()}
        salvage, inventory = Salvage(live, wrecks), Inventory(live)
        if self._repository.keys is not None:
            for scope in (SERVER, *self._repository.scopes()):
                inventory.put(scope, None)
        lost = self._save_contents(writer, salvage, inventory, wrecks)
        starts = salvage.gaps()
        for segment, _digest, made in salvage.segments():
            if made is None:
                starts[segment.scope] = min(segment.first, starts.get(segment.scope, segment.first))
        journals = rewriting.journals_from(inventory, starts)
        touched = {pack.name for pack in inventory.metadata_packs() if pack.number in journals.touched} - wrecks
        for _segment, digest, made in salvage.segments():
            if made is not None and digest not in journals.replaced:
                writer.keep_frame(frames.SEGMENT, made)
        if not rewriting.write(writer, inventory, journals, touched, self._progress):
            return
        for name, entries in salvage.indexes(journals.touched):
            writer.keep_frame(frames.INDEX, packs.encode_index(name, entries))
        doubtful = bool(starts or live.damages()) or any(fault.kind in _COMMITS for fault in left)
        tokens = dict.fromkeys(self._to_scan(read, lost, doubtful), "")
        writer.adopt((), {}, salvage.last())
        removed = (wrecks & set(named)) | touched
        if writer.commit(tokens, removed=sorted(removed), full=True) is not None:
            self.done.commits += 1
            self.done.removed_packs += len(removed)
        for name in given_up:
            self._quarantine.keep(name)
            self._files.remove(name)

    def _adopt(self, writer: Writer) -> None:
        """Name again what only lost commits named: first what journals miss, then where contents of it lie."""
        repository = self._repository
        unnamed, salvage = Unnamed(repository), Salvage(repository.catalogue, ())
        if not unnamed:
            return
        heads = repository.catalogue.heads()
        found = unnamed.adopted(salvage.missed(), heads, holes(repository, salvage))
        self._name_again(writer, found)
        read = audit(repository, self._progress)
        try:
            read.refer([SERVER, *repository.scopes()])
            self._name_again(writer, Adopted(unnamed.holding(read.lose_unknown()), {}))
        finally:
            read.close()

    def _name_again(self, writer: Writer, found: Adopted) -> None:
        if found.packs:
            writer.adopt(found.packs, found.heads)
            writer.commit(dict.fromkeys(self._repository.tokens(), ""), full=True)
            self.done.commits += 1

    def _save_contents(
        self, writer: Writer, salvage: Salvage, inventory: Inventory, wrecks: Collection[str]
    ) -> set[bytes]:
        """Write the contents of wrecked packs anew; return those that neither side has, by their names in packs."""
        saved: set[bytes] = set()
        self._progress.phase("salvage", len(wrecks))
        for name in sorted(wrecks):
            data = content(self._files, packs.file_name(name)) or b""
            for offset, header in packs.frames_of(data):
                if header.kind == frames.BLOB:
                    whole = memoryview(data)[offset: offset + header.length]
                    if self._save(writer, inventory, whole, header.digest):
                        saved.add(header.digest)
            self._progress.advance(1)
        lost: set[bytes] = set()
        for blob, pack, offset, length in salvage.blobs():
            if blob in saved:
                continue
            frame = b""
            if self._archive is not None:
                try:
                    frame = self._archive.get_range(packs.file_name(pack), offset, length)
                except (NotFound, Damaged):
                    pass
            (saved if self._save(writer, inventory, frame, blob) else lost).add(blob)
        return lost

    def _save(self, writer: Writer, inventory: Inventory, frame: bytes | memoryview, name: bytes) -> bool:
        """Write a content anew; in an encrypted backup that is possible where something refers to it."""
        digest = name if self._repository.keys is None else inventory.digest_of(name)
        if digest is None:
            return False
        try:
            data = frames.decode(frame, digest, self._repository.keys)
        except Damaged:
            return False
        writer.put_blob(data, again=True)
        self.done.saved_contents += 1
        return True

    def _to_scan(self, read: Audit, lost: Collection[bytes], everything: bool) -> set[str]:
        """Return the journals whose mailboxes the next scan must compare anew."""
        if everything:
            return set(self._repository.tokens())
        read.refer([SERVER, *self._repository.scopes()])
        read.lose_named(lost)
        read.lose_unknown()
        return {reference.scope for reference in read.losing()}

    # -- in the end ------------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        """Look again at commits and metadata, and make the catalogue anew where it does not say what they say."""
        self._repository.refresh()
        read = audit(self._repository, self._progress)
        try:
            left = [damage_of(damage, self._names(packs.METADATA)) for damage in read.damages]
            self.done.left += left
            if self._repository.damages() or read.held_against(self._repository.catalogue) != SAME:
                self._repository.rebuild()
                self.done.rebuilt_catalogue = True
            read.refer([SERVER, *self._repository.scopes()])
            losses(read, self._found)
            # Where a commit was lost it may be that one which named them: the next run looks again.
            if not left and not any(fault.kind in _COMMITS for fault in self._found.faults):
                self._aside({pack.name for pack in read.packs()})
        finally:
            read.close()

    def _aside(self, needed: Collection[str]) -> None:
        """Move files that no commit names out of the way."""
        if self._progress.stopping() or not never_named(self._repository, needed):
            return
        with self._repository.writer(_PATIENCE):
            for name, _size in never_named(self._repository, needed):
                self._quarantine.keep(name)
                self._files.remove(name)
