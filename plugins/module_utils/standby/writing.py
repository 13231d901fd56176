# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the steps of one mailbox: the only place of a standby that writes items.

Nothing is deleted that the standby has not made. What the mail server refuses concerns one item, is remembered with its
reason, and never stops the others.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..ledger.standby import Copy, Known, Mailbox
from ..mailstore.port import NewItem, Written
from ..model import kinds
from ..model.errors import RestanteError, Unavailable
from ..model.state import ItemState
from ..restore.mailbox import Content, read_contents
from ..restore.rewriting import is_given_back
from . import plan
from .meaning import Meanings, Meant
from .report import RoundReport

if TYPE_CHECKING:
    from .mailbox import Sides


def _plain(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes whose grants say no more than who may do what: an adapter may say that more exactly."""
    if "grants" not in attrs:
        return attrs
    grants = sorted(
        (str(one.get("grantee_type", "")), str(one.get("grantee_id") or one.get("grantee_name", "")),
         str(one.get("rights", ""))) for one in attrs["grants"]
    )
    return {**attrs, "grants": grants}


_NONE: Final = Copy("", "", "", own=False)


class MailboxWriter:
    """Writes to one mailbox, counts, and records what became of what."""

    def __init__(self, sides: Sides, account: Known, box: Mailbox, report: RoundReport) -> None:
        self.disturbed: Container[str] = ()
        """Items of the primary that have not changed there since they were applied: what differs was done here."""
        self._sides = sides
        self._store = sides.store
        self._record = sides.record
        self._scope = account.source
        self._mailbox = account.destination
        self._box = box
        self._report = report
        self._held = sides.store.capabilities().item_kinds
        self._meanings = Meanings(sides.record, sides.store.capabilities().keeps_entry_ids)
        self._named: dict[str, str] = {}
        """What folders and tags of the primary are here."""
        self._later: dict[str, plan.ItemStep] = {}

    def load(self) -> None:
        """Learn from the record what is here."""
        self._named = {
            one.origin: one.item_id for one in self._record.named(self._box.number)
            if one.kind in (kinds.FOLDER, kinds.TAG)
        }

    # -- what is to be ---------------------------------------------------------------------------------------------

    def holds(self, state: ItemState) -> bool:
        """Return whether this mail server can hold an item."""
        view = state.attrs.get("view") if state.kind == kinds.FOLDER else ""
        return state.kind in self._held and (not view or view in self._held)

    def is_unchanged(self, state: ItemState, here: ItemState) -> bool:
        """Return whether an item here is what the primary's is, as far as this mail server can hold that."""
        meant = self._meanings.item(self._scope, state, self._named)
        return not meant.missing and self._is_same(meant.state, here) and not self._other_content(state, here)

    def _is_same(self, meant: ItemState, here: ItemState) -> bool:
        if meant.kind == kinds.FOLDER and not meant.folder:  # the root: nothing of it can be another
            meant = meant._replace(name=here.name, folder=here.folder)
        wanted = meant._replace(item_id=here.item_id, size=here.size, digest=here.digest)
        if wanted == here:
            return True
        held = self._store.held(self._mailbox, wanted)
        lost = {key for key in wanted.attrs if key not in held.attrs}  # what it cannot hold, it may have made up
        there = here._replace(attrs={key: value for key, value in here.attrs.items() if key not in lost})
        held = held._replace(date=(wanted.date and held.date) or here.date)
        return held._replace(attrs=_plain(held.attrs)) == there._replace(attrs=_plain(there.attrs))

    def _other_content(self, state: ItemState, here: ItemState) -> bool:
        """Return whether the content here is another; a mail server may give back what it was given in another form."""
        if not state.digest or not here.digest or state.digest == here.digest:
            return False
        content, = read_contents(self._sides.blobs, [state])
        return content.blob is None or not self._is_rewritten(content, here)

    def are_settled(self, origins: Iterable[str]) -> None:
        """Note that items are what they should be, or are not here as they should not."""
        self._record.succeeded(self._scope, origins)

    # -- folders, mountpoints, tags and filters --------------------------------------------------------------------

    def carry_out_named(self, made: plan.NamedPlan) -> None:
        """Carry out the first part of a plan, and keep its deletions for the end."""
        contents = self._contents([step.state for step in made.steps if step.state.kind == kinds.FILTER_SET])
        for step in made.steps:
            if step.action in (plan.CREATE, plan.UPDATE, plan.ADOPT):
                self._wanted(step, contents.get(step.origin))
            elif step.action == plan.DELETE:
                self.carry_out([step], {})
            elif step.action == plan.ASIDE:
                self._put_aside(step)
            else:
                self._leave(step.state, step.origin, step.reason)
        self.delete_later(made.deletions)

    def delete_later(self, steps: Iterable[plan.ItemStep]) -> None:
        """Keep deletions for when nothing lies any more in what is deleted."""
        self._later.update((step.item_id, step) for step in steps)

    def delete_named(self) -> None:
        """Carry out the deletions that were kept; a folder with something in it that is not the primary's stays."""
        folders = {item_id: step for item_id, step in self._later.items() if step.state.kind == kinds.FOLDER}
        strangers = self._strangers(folders) if any(step.action == plan.DELETE for step in folders.values()) else {}
        for item_id, step in self._later.items():
            if item_id in strangers and step.action == plan.DELETE:
                self._keep(step, f"was deleted at the primary; it has {strangers[item_id]} items in it that did not "
                                 "come from there, and is kept")
            elif step.action == plan.DELETE:
                self._delete([step])
            else:
                self._keep(step, "was deleted at the primary; it was here before, and is kept")
        self._later.clear()

    def _strangers(self, folders: Container[str]) -> dict[str, int]:
        """Return in how many items that are no copies each of some folders would take with it."""
        parents = {state.item_id: state.folder for state in self._store.folders(self._mailbox)}
        found: dict[str, int] = {}
        for state in self._store.changes(self._mailbox).items:
            above, steps = state.folder, 0
            if above not in parents or self._record.origins(self._box.number, [state.item_id]):
                continue
            while above in parents and steps <= len(parents):
                if above in folders:
                    found[above] = found.get(above, 0) + 1
                above, steps = parents[above], steps + 1
        return found

    def _put_aside(self, step: plan.ItemStep) -> None:
        refused = self._change(step.state)
        if refused and step.origin:
            self._leave(step.state, step.origin, refused)
        elif not refused and not step.origin:
            self._record.conflict(
                self._scope, step.item_id, step.state.kind,
                f"has the name of something of the primary; it is called {step.state.name!r} now",
            )

    def _wanted(self, step: plan.ItemStep, content: Content | None) -> None:
        meant = self._meant(step)
        if meant is None:
            return
        if content is not None and content.error is not None:
            self._leave(step.state, step.origin, str(content.error))
        elif step.action == plan.CREATE:
            self._create([(step, meant, None if content is None else content.blob)])
        else:
            if step.action == plan.ADOPT:
                self._adopt(step)
            here = self._store.item(self._mailbox, step.item_id)
            same = here is not None and (step.state.digest == here.digest or self._is_rewritten(content, here))
            self._update(step, meant, None if content is None or same else content.blob)

    def _adopt(self, step: plan.ItemStep) -> None:
        """Follow something that is here already; that it was here is known before the mail store calls it a copy."""
        self._record.keep(self._box.number, [Copy(step.origin, step.item_id, step.state.kind, own=False)])
        self._map(step.origin, step.item_id)
        if step.state.kind in (kinds.FOLDER, kinds.TAG):
            self._named[step.origin] = step.item_id
        self._report.count(plan.ADOPT, step.state.kind)

    # -- items -----------------------------------------------------------------------------------------------------

    def carry_out(self, steps: Sequence[plan.ItemStep], contents: Mapping[str, Content]) -> None:
        """Carry out steps about items. :param contents: those that were read already, by id at the primary."""
        by_action: dict[str, list[plan.ItemStep]] = {}
        for step in steps:
            by_action.setdefault(step.action, []).append(step)
        deletions = by_action.get(plan.DELETE, ())
        self._delete([step for step in deletions if step.state.kind != kinds.FOLDER])
        self.delete_later(step for step in deletions if step.state.kind == kinds.FOLDER)
        for step in by_action.get(plan.KEEP, ()):
            self._keep(step, "was deleted at the primary; it was here before, and is kept")
        changes: list[tuple[plan.ItemStep, Meant]] = []
        updates = self._all_meant(by_action.get(plan.UPDATE, ()))
        others = [(step, meant) for step, meant in updates if self._needs_content(step)]
        changes = [one for one in updates if one not in others]
        creates = self._all_meant(by_action.get(plan.CREATE, ()))
        wanted = [step.state for step, _unused in (*creates, *others) if step.origin not in contents]
        found = {**contents, **self._contents(wanted)}
        self._update_all(changes)
        for step, meant in others:
            content = found.get(step.origin)
            if content is None or content.error is not None:
                self._leave(step.state, step.origin, str(content.error) if content else "It has no content.")
            else:
                self._update(step, meant, content.blob)
        ready: list[tuple[plan.ItemStep, Meant, bytes | None]] = []
        for step, meant in creates:
            content = found.get(step.origin)
            if content is not None and content.error is not None:
                self._leave(step.state, step.origin, str(content.error))
            else:
                ready.append((step, meant, None if content is None else content.blob))
        self._create(ready)

    def _all_meant(self, steps: Iterable[plan.ItemStep]) -> list[tuple[plan.ItemStep, Meant]]:
        return [(step, meant) for step in steps if (meant := self._meant(step)) is not None]

    def _needs_content(self, step: plan.ItemStep) -> bool:
        here = self._store.item(self._mailbox, step.item_id)
        return here is not None and self._other_content(step.state, here)

    def _is_rewritten(self, content: Content | None, here: ItemState) -> bool:
        return content is None or content.blob is None or is_given_back(self._store, self._mailbox, here, content.blob)

    def _contents(self, states: Sequence[ItemState]) -> dict[str, Content]:
        wanted = [state for state in states if state.kind in kinds.WITH_CONTENT]
        return {content.state.item_id: content for content in read_contents(self._sides.blobs, wanted)}

    def _meant(self, step: plan.ItemStep) -> Meant | None:
        """Return what an item is to be here; None, and why is told, where it cannot be."""
        meant = self._meanings.item(self._scope, step.state, self._named)
        if not meant.missing:
            return meant
        self._leave(
            step.state, step.origin, f"The folder or tag {meant.missing} that it needs is not on the standby."
        )
        return None

    # -- writing ---------------------------------------------------------------------------------------------------

    def _create(self, items: Sequence[tuple[plan.ItemStep, Meant, bytes | None]]) -> None:
        if not items:
            return
        batch = [NewItem(step.origin, meant.state, blob) for step, meant, blob in items]
        written = self._write(batch, self._sides.import_id)
        done: list[tuple[plan.ItemStep, Meant, Written]] = []
        for (step, meant, blob), result in zip(items, written):
            if result.existed:
                result = self._existing(step, meant, blob, result)
            if result.error:
                self._leave(step.state, step.origin, result.error)
                continue
            if step.state.kind == kinds.FOLDER and not result.existed:
                self._correct(meant.state._replace(item_id=result.item_id))
            done.append((step, meant, result))
            self._report.bytes += len(blob or b"")
            self._counted(step)
        with self._record.changing():
            self._record.keep(self._box.number, [
                Copy(step.origin, result.item_id, step.state.kind, own=True) for step, _unused, result in done
            ])
            for step, meant, result in done:
                self._settled(step, meant)
                if step.state.kind in (kinds.FOLDER, kinds.TAG):
                    self._named[step.origin] = result.item_id
        self._sides.progress.advance(len(items), sum(step.state.size for step, _meant, _blob in items))

    def _correct(self, state: ItemState) -> None:
        """Take from a new folder what a mail server has given it besides, such as the shares of the one above it."""
        here = self._store.item(self._mailbox, state.item_id)
        if here is not None and not self._is_same(state, here):
            self._change(state)

    def _existing(self, step: plan.ItemStep, meant: Meant, blob: bytes | None, found: Written) -> Written:
        """Deal with an item that was written before: by a round that was killed, or it was removed here since."""
        item_id = found.item_id
        while True:
            here = self._store.item(self._mailbox, item_id)
            if here is not None and here.kind == step.state.kind:
                other = self._other_content(step.state, here)
                if other or not self._is_same(meant.state, here):
                    refused = self._change(meant.state._replace(item_id=item_id), blob if other else None)
                    if refused:
                        return Written(step.origin, "", error=refused)
                if item_id != found.item_id:
                    self._map(step.origin, item_id)
                return Written(step.origin, item_id)
            # Under an import of its own: as this origin it was written once, and is not written again.
            result, = self._write([NewItem(step.origin, meant.state, blob)], f"{self._sides.import_id}/{item_id}")
            if result.error:
                return result
            item_id = result.item_id
            if not result.existed:
                self._map(step.origin, item_id)
                return Written(step.origin, item_id)

    def _write(self, batch: Sequence[NewItem], import_id: str) -> list[Written]:
        return self._sides.patience.ask(lambda: self._store.write_items(self._mailbox, batch, import_id))

    def _change(self, state: ItemState, blob: bytes | None = None) -> str:
        """Make an item here what it is to be; return why the mail server refused, empty where it did not."""
        try:
            self._sides.patience.ask(lambda: self._store.update_item(self._mailbox, state, blob))
        except Unavailable:
            raise
        except RestanteError as error:
            return str(error)
        return ""

    def _map(self, origin: str, item_id: str) -> None:
        self._sides.patience.ask(
            lambda: self._store.map_imported(self._mailbox, self._sides.import_id, [(origin, item_id)])
        )

    def _update(self, step: plan.ItemStep, meant: Meant, blob: bytes | None = None) -> None:
        state = meant.state._replace(item_id=step.item_id)
        if step.state.kind == kinds.FOLDER and not step.state.folder:
            here = self._store.item(self._mailbox, step.item_id)
            state = state._replace(name=here.name, folder=here.folder) if here is not None else state
        refused = self._change(state, blob)
        if refused:
            self._leave(step.state, step.origin, refused)
            return
        with self._record.changing():
            self._settled(step, meant)
        if step.action == plan.UPDATE:
            self._counted(step)
        self._sides.progress.advance(1, len(blob or b""))

    def _update_all(self, changes: Sequence[tuple[plan.ItemStep, Meant]]) -> None:
        if not changes:
            return
        states = [meant.state._replace(item_id=step.item_id) for step, meant in changes]
        refused = self._sides.patience.ask(lambda: self._store.update_items(self._mailbox, states))
        with self._record.changing():
            for (step, meant), error in zip(changes, refused):
                if error is not None:
                    self._leave(step.state, step.origin, str(error))
                else:
                    self._settled(step, meant)
                    self._counted(step)
        self._sides.progress.advance(len(changes))

    def _delete(self, steps: Sequence[plan.ItemStep]) -> None:
        if not steps:
            return
        ask = self._sides.patience.ask
        try:
            ask(lambda: self._store.delete_items(self._mailbox, [step.item_id for step in steps]))
        except Unavailable:
            raise
        except RestanteError as error:
            if len(steps) > 1:  # then one by one, so that one that is refused costs only itself
                for step in steps:
                    self._delete([step])
            else:
                self._leave(steps[0].state, steps[0].origin, str(error))
            return
        self._forget(steps)
        for step in steps:
            self._report.count(plan.DELETE, step.state.kind)
        self._sides.progress.advance(len(steps))

    def _keep(self, step: plan.ItemStep, what: str) -> None:
        self._forget([step])
        self._record.conflict(self._scope, step.item_id, step.state.kind, what)
        self._report.count(plan.KEEP, step.state.kind)

    def _forget(self, steps: Sequence[plan.ItemStep]) -> None:
        """Forget copies that are gone, unless something else is the copy by now."""
        copies = self._record.copies(self._box.number, [step.origin for step in steps])
        gone = [step.origin for step in steps if copies.get(step.origin, _NONE).item_id == step.item_id]
        self._record.forget(self._box.number, self._scope, gone)
        for origin in gone:
            self._named.pop(origin, None)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _settled(self, step: plan.ItemStep, meant: Meant) -> None:
        if meant.references or step.action == plan.UPDATE:
            self._record.refer(self._scope, step.origin, meant.references)
        self._record.succeeded(self._scope, [step.origin])

    def _counted(self, step: plan.ItemStep) -> None:
        self._report.count(step.action, step.state.kind)
        if step.origin in self.disturbed:
            self._record.conflict(
                self._scope, step.item_id or step.origin, step.state.kind,
                "was changed or deleted here; it is as at the primary again",
            )

    def _leave(self, state: ItemState, origin: str, reason: str) -> None:
        self._record.failed(self._scope, origin, state.kind, reason)
        self._report.failed[state.kind] += 1
