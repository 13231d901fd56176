# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore Account: an account that was deleted, with its own id, as it was then or before (R-071 to R-078).

From this server's own backup (reference, section 4.3).
"""

from __future__ import annotations

from typing import Final

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.errors import AlreadyExists
from ..model.state import Entry
from .accounts import accounts
from .copies import CopyPlan, plan_copy
from .copy_record import CopyRecord
from .copy_source import CopyOptions, as_it_was
from .copy_target import Target, check_address, check_free, request_of, resumed

NAME: Final = "Restore Account"


def plan_account(
    source: Repository, store: MailStore, backup_path: str, account: str, domain: str, options: CopyOptions
) -> CopyPlan:
    """Return how a deleted account is restored. Reads only.

    :param source: this server's own backup. :param account: id, address or alias.
    :param domain: that it is to be in from now on; empty for its own.
    :raises NotFound: there is no such account in the backup, or no such domain on the mail server.
    :raises InvalidInput: there is nothing of that moment, or the domain is none.
    :raises AlreadyExists: the account is not deleted, or its address is taken.
    """
    past = as_it_was(source, account, options, raised=True)
    address = f"{past.entry.name.rpartition('@')[0]}@{domain}" if domain else past.entry.name
    request = request_of(NAME, past, domain, options)
    present = store.find_entry(kinds.ACCOUNT, past.entry.entry_id)
    if present is not None and CopyRecord(backup_path, source.server_id, present.entry_id).read() is None:
        raise AlreadyExists(_not_deleted(source, present))
    present = present or store.find_entry(kinds.ACCOUNT, address)
    if present is None:
        (check_address if domain else check_free)(store, address)  # the one that it had may be of any form
        target = Target(address, past.entry.entry_id)
    else:
        target = resumed(present, source, backup_path, request)
    return plan_copy(NAME, source, store, past, target, request, options)


def _not_deleted(source: Repository, present: Entry) -> str:
    """Return a sentence for an account that is there, with those that had its address before it."""
    others = [
        f"{one.entry.entry_id} (deleted at {moment.iso(one.at)})" for one in accounts(source)
        if one.deleted and one.entry.name.lower() == present.name.lower() and one.entry.entry_id != present.entry_id
    ]
    before = f" Deleted accounts that had its address, to be named by id: {', '.join(others)}." if others else ""
    return (
        f"The account {present.name} ({present.entry_id}) is not deleted, and is left alone. Restore it on a new "
        f"account, or single items of it.{before}"
    )
