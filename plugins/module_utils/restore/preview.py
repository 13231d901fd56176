# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an External Restore would do, without doing it: what check mode tells and diff mode shows. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.state import Entry
from . import plan
from .attributes import mapped
from .external import choose, mailbox_rows, other_mailboxes
from .idmap import OriginSet, import_id_of, mailbox_import, map_name, read_map
from .mailbox import Scope
from .options import ExternalOptions
from .plan import EntryStep
from .references import References
from .selection import Selection


class Preview(NamedTuple):
    """What would be done."""

    entries: list[EntryStep]
    """Steps of phase 1 that would make a difference."""
    items: dict[str, Counter[str]]
    """For each account, by address, the items by kind that no earlier run has restored."""

    @property
    def pending(self) -> bool:
        """Whether anything would be done."""
        return bool(self.entries or self.items)

    def lines(self) -> list[str]:
        """Return the steps as text."""
        return [str(step) for step in self.entries] + [
            f"restore {count} x {kind} of {address}"
            for address, counts in self.items.items() for kind, count in sorted(counts.items())
        ]


def preview(source: Repository, store: MailStore, backup_path: str, options: ExternalOptions) -> Preview:
    """Compare a backup, and the records of earlier runs, with what the mail server has.

    An item counts as pending also where the run would find something that it can take for it, as for a folder of the
    same path.

    :param backup_path: the destination's.
    :raises InvalidInput, NotFound: the source or the options cannot be used.
    """
    selection = choose(source, store, backup_path, options)
    import_id = import_id_of(backup_path, source.server_id)
    rows = [] if import_id is None else read_map(f"{backup_path}/{map_name(source.server_id)}")
    ids = {row.source_id: row.destination_id for row in rows}
    ids.update((row.source_id, row.destination_id) for row in mailbox_rows(source, selection.accounts, ids))
    ids.update((row.source_id, row.destination_id) for row in other_mailboxes(source, selection.accounts, ids))
    entries = list(_entries(selection, References(source, store, ids, import_id or ""), store, options))
    items = {}
    for account in () if options.provisioning_only else selection.accounts:
        counts = _items(source, store, account, mailbox_import(import_id or "", ids, account.entry_id), options)
        if counts:
            items[account.name] = counts
    return Preview(entries, items)


def _entries(
    selection: Selection, references: References, store: MailStore, options: ExternalOptions
) -> Iterator[EntryStep]:
    for step in plan.provisioning(selection, options):
        present = store.find_entry(step.entry.kind, step.entry.name)
        wanted, _unused = mapped(step.entry, references.entry, options.skip_aliases)
        if present is None or (step.action == plan.ATTRIBUTES and not _has(present, wanted)):
            yield step


def _has(present: Entry, wanted: Entry) -> bool:
    """Return whether writing the wanted attributes, aliases, members and signatures would change nothing."""
    signatures = {signature.get("id"): signature for signature in present.signatures}
    return (
        all(sorted(present.attrs.get(name, ())) == sorted(values) for name, values in wanted.attrs.items())
        and set(wanted.aliases) <= set(present.aliases)
        and set(wanted.members) <= set(present.members)
        and all(signatures.get(signature.get("id")) == signature for signature in wanted.signatures)
    )


def _items(
    source: Repository, store: MailStore, account: Entry, import_id: str, options: ExternalOptions
) -> Counter[str]:
    present = store.find_entry(kinds.ACCOUNT, account.name)
    if present is None and options.skip_account_provisioning:
        return Counter()
    there = OriginSet()
    if present is not None and import_id:
        for origin, _unused in store.imported(present.entry_id, import_id):
            there.add(origin)
    left_out = () if options.restore_datasource else (kinds.DATA_SOURCE,)
    wanted = [kind for kind in kinds.ITEM_KINDS if kind not in left_out]
    states = Scope(source, account.entry_id, not options.filter_deleted).states(wanted)
    return Counter(
        step.state.kind
        for step in plan.items(states, there, options.max_file_size)
        if step.action == plan.WRITE and not plan.is_root(step.state)
    )
