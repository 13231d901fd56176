# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an account is backed up: its own attribute, or that of its class of service (R-245; reference, 2.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .state import Entry

ATTRIBUTE: Final = "backupEnabled"
"""Of an account or a class of service: TRUE or FALSE, in any case; unset means what lies above, and at last TRUE."""

_DEFAULT_COS: Final = "default"


class Switch:
    """Knows classes of service and domains, and says of an account whether it is backed up."""

    def __init__(self, coses: Iterable[Entry], domains: Iterable[Entry]) -> None:
        self._coses: dict[str, str] = {}
        self._default = ""
        for cos in coses:
            self._coses[cos.entry_id] = _value(cos)
            if cos.name.lower() == _DEFAULT_COS:
                self._default = cos.entry_id
        self._of_domain = {domain.name.lower(): domain.first("zimbraDomainDefaultCOSId") for domain in domains}

    def cos_of(self, account: Entry) -> str:
        """Return the id of an account's class of service: its own, that of its domain, or the default one."""
        domain = account.name.rpartition("@")[2].lower()
        return account.first("zimbraCOSId") or self._of_domain.get(domain) or self._default

    def is_on(self, account: Entry) -> bool:
        """Return whether an account is backed up: its own word counts before that of its class of service."""
        return (_value(account) or self._coses.get(self.cos_of(account), "")) != "FALSE"


def _value(entry: Entry) -> str:
    return entry.first(ATTRIBUTE).upper()
