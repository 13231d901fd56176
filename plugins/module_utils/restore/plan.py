# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plans of an External Restore: what is to be done, in which order. No I/O; every step can be printed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Final, NamedTuple

from ..model import kinds
from ..model.state import Entry, ItemState
from ..operations.report import INVALID_ITEM, READ_ERROR
from .options import ExternalOptions
from .selection import Selection

CREATE: Final = "create"
ATTRIBUTES: Final = "attributes"

WRITE: Final = "write"
SKIP: Final = "skip"
LEAVE: Final = "leave"

STREAMED: Final = (kinds.MESSAGE, kinds.CONTACT, kinds.APPOINTMENT, kinds.TASK, kinds.DOCUMENT)
"""The kinds that a mailbox can have very many of; they refer to nothing but their folder and their tags."""


class EntryStep(NamedTuple):
    """One thing to do to the destination's directory."""

    action: str
    """CREATE makes the entry without anything in it; ATTRIBUTES gives it all that the backup knows of it."""
    entry: Entry
    """As the backup has it."""

    def __str__(self) -> str:
        done = "create" if self.action == CREATE else "write the attributes of"
        return f"{done} {self.entry.kind} {self.entry.name}"


class ItemStep(NamedTuple):
    """What is to become of one item of a mailbox."""

    action: str
    """WRITE it, SKIP it because an earlier run has written it, or LEAVE it out and say why."""
    state: ItemState
    """As the backup has it."""
    cause: str = ""
    """For LEAVE: a cause of operations.report."""
    reason: str = ""
    """For LEAVE: a sentence."""

    def __str__(self) -> str:
        name = f" {self.state.name!r}" if self.state.name else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.action} {self.state.kind} {self.state.item_id}{name}{reason}"


def provisioning(selection: Selection, options: ExternalOptions) -> Iterator[EntryStep]:
    """Yield phase 1 in its documented order (R-141 to R-147).

    Empty domains, the classes of service in use, empty lists, empty accounts; then the attributes of accounts, domains
    and lists. Without domain provisioning there are the accounts alone (R-109).
    """
    domains = () if options.skip_domain_provisioning else selection.domains
    coses = () if options.skip_domain_provisioning or options.skip_coses else selection.coses
    lists = () if options.skip_domain_provisioning or options.skip_distribution_lists else selection.lists
    accounts = () if options.skip_account_provisioning else selection.accounts
    for domain in domains:
        yield EntryStep(CREATE, domain)
    for cos in coses:
        yield EntryStep(CREATE, cos)
        # The accounts that come next take from it what they may.
        yield EntryStep(ATTRIBUTES, cos)
    for group in (lists, accounts):
        for entry in group:
            yield EntryStep(CREATE, entry)
    for group in (accounts, domains, lists):
        for entry in group:
            yield EntryStep(ATTRIBUTES, entry)


def items(states: Iterable[ItemState], present: Container[str], max_size: int = 0) -> Iterator[ItemStep]:
    """Yield a step for each item, in the order in which the states come.

    :param states: of one mailbox.
    :param present: ids of the items that an earlier run has written.
    :param max_size: bytes; a larger content is left out (R-120). 0 for no limit.
    """
    for state in states:
        if state.item_id in present:
            yield ItemStep(SKIP, state)
        elif max_size and state.size > max_size:
            yield ItemStep(
                LEAVE, state, INVALID_ITEM, f"Its {state.size} bytes are more than the max_file_size of {max_size}."
            )
        elif state.kind in kinds.WITH_CONTENT and not state.digest and state.size:
            yield ItemStep(LEAVE, state, READ_ERROR, "The backup does not say where its content is.")
        else:
            yield ItemStep(WRITE, state)


def is_root(state: ItemState) -> bool:
    """Tell the root folder: it has no name and lies nowhere."""
    return not state.name and not state.folder and state.kind == kinds.FOLDER


def lost_folder(folder_id: str) -> ItemState:
    """Return the folder that stands for one that cannot be had: unknown_<its id>, right below the root."""
    return ItemState(folder_id, kinds.FOLDER, "", f"unknown_{folder_id}")


def levels(folders: Iterable[ItemState]) -> list[list[ItemState]]:
    """Order folders level by level, each behind the one it lies in.

    A folder whose parent is not among them is on the first level; one that lies in itself is put below the root (its
    folder becomes empty): both are damage, and neither costs what lies in the folder.
    """
    known = {folder.item_id: folder for folder in folders}
    depths: dict[str, int] = {}
    for start in known:
        chain: dict[str, None] = {}
        above = start
        while above in known and above not in depths and above not in chain:
            chain[above] = None
            above = known[above].folder
        depth = depths.get(above, -1)
        for folder_id in reversed(chain):
            if depth < 0 and above in chain:
                known[folder_id] = known[folder_id]._replace(folder="")
            depth += 1
            depths[folder_id] = depth
    ordered: list[list[ItemState]] = [[] for _unused in range(max(depths.values(), default=-1) + 1)]
    for folder_id, folder in known.items():
        ordered[depths[folder_id]].append(folder)
    return ordered
