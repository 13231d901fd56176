# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore on New Account: a mailbox as it was at a moment, in an account of its own (R-044 to R-070).

The source, be it there, broken or deleted, is only read, from this server's own backup (reference, section 4.2).
"""

from __future__ import annotations

import uuid
from typing import Final

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from .copies import CopyPlan, plan_copy
from .copy_source import CopyOptions, as_it_was
from .copy_target import Target, check_address, request_of, resumed

NAME: Final = "Restore on New Account"


def plan_new_account(
    source: Repository, store: MailStore, backup_path: str, account: str, destination: str, options: CopyOptions
) -> CopyPlan:
    """Return how an account is restored on a new one. Reads only.

    :param source: this server's own backup. :param account: id, address or alias. :param destination: an address.
    :raises NotFound: there is no such account in the backup, or no such domain on the mail server.
    :raises InvalidInput: there is nothing of that moment, or the address is none.
    :raises AlreadyExists: the destination is there, and is not what an earlier run of this restore has made.
    """
    past = as_it_was(source, account, options)
    request = request_of(NAME, past, destination, options)
    present = store.find_entry(kinds.ACCOUNT, destination)
    if present is None:
        check_address(store, destination)
        target = Target(destination, str(uuid.uuid4()))
    else:
        target = resumed(present, source, backup_path, request)
    return plan_copy(NAME, source, store, past, target, request, options)
