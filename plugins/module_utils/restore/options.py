# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an External Restore can be told (reference, section 3.3, doExternalRestore)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..model.errors import InvalidInput


class ExternalOptions(NamedTuple):
    """The options of doExternalRestore by their documented names and defaults (R-111 to R-122)."""

    accounts: Sequence[str] = ()
    """Addresses or ids; with domains empty too: all. The order is the order of restoring (R-118)."""
    input_file: str = ""
    """Path of a text file with one further account, address or id, per line (R-117)."""
    domains: Sequence[str] = ()
    filter_deleted: bool = True
    """Leave out what is deleted at the source (R-114)."""
    skip_system_accounts: bool = True
    """Leave out service mailboxes that were not named (R-113)."""
    skip_aliases: bool = False
    skip_distribution_lists: bool = False
    skip_coses: bool = False
    skip_account_provisioning: bool = False
    """Neither create accounts nor write their attributes; restore into those that exist."""
    skip_domain_provisioning: bool = False
    """Write nothing of domains, classes of service and distribution lists (R-108)."""
    provisioning_only: bool = False
    """End after phase 1 (R-116)."""
    concurrent_accounts: int = 1
    """How many accounts are restored at the same time, each by a process of its own (R-166)."""
    max_file_size: int = 0
    """Bytes; items with a larger content are not restored but reported (R-120). 0 for no limit."""
    restore_datasource: bool = True
    force_as_external_restore: bool = False
    """Restore although the backup is one of this very server (R-122)."""


def check(options: ExternalOptions) -> None:
    """Refuse numbers that mean nothing.

    :raises InvalidInput: which option, and what it may be.
    """
    if options.concurrent_accounts < 1:
        raise InvalidInput(
            f"concurrent_accounts is {options.concurrent_accounts}; give how many accounts to restore at the same "
            "time, 1 or more."
        )
    if options.max_file_size < 0:
        raise InvalidInput(f"max_file_size is {options.max_file_size}; give a number of bytes, or 0 for no limit.")


def named_accounts(options: ExternalOptions) -> list[str]:
    """Return the accounts that were named, in the order given: those of accounts, then those of input_file; each once.

    :raises InvalidInput: the input file cannot be read, or names nobody.
    """
    names = list(options.accounts)
    if options.input_file:
        names += _lines(options.input_file)
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(
            f"The input_file {path} cannot be read ({reason}); give a text file with one account per line."
        ) from error
    if not lines:
        # No account at all would mean all accounts: certainly not what the one who wrote an input file wants.
        raise InvalidInput(f"The input_file {path} names no account; write one address or id per line.")
    return lines
