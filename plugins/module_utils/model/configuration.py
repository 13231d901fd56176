# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes of directory entries: which of them last, and how an administrator sees them (R-191, R-305)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from .state import Entry

SECRETS: Final = frozenset((
    "userPassword", "zimbraAppSpecificPassword", "zimbraAuthLdapSearchBindPassword", "zimbraAuthTokenKey",
    "zimbraAuthTokens", "zimbraCsrfTokenKey", "zimbraFreebusyExchangeAuthPassword", "zimbraGalLdapBindPassword",
    "zimbraGalSyncLdapBindPassword", "zimbraPreAuthKey", "zimbraRecoveryAccountVerificationData",
    "zimbraResetPasswordRecoveryCode", "zimbraSSLPrivateKey", "zimbraTwoFactorAuthScratchCodes",
    "zimbraTwoFactorAuthSecret",
))
"""Attributes whose values nobody is shown."""

_OF_A_COS: Final = frozenset((
    "cn", "description", "objectClass", "zimbraACE", "zimbraCreateTimestamp", "zimbraId", "zimbraMailHostPool",
    "zimbraNotes",
))
"""Attributes of a class of service that say something of itself, and nothing of its accounts."""

VOLATILE: Final = frozenset((
    "zimbraLastLogonTimestamp", "zimbraPasswordLockoutFailureTime", "zimbraPasswordLockoutLockedTime",
    "zimbraPasswordLockoutSuccessTime",
))
"""Attributes that each login changes, and that no restore should bring back."""


def lasting(entry: Entry) -> Entry:
    """Return an entry as it is recorded: without what each login changes (R-191)."""
    if VOLATILE.isdisjoint(entry.attrs):
        return entry
    return entry._replace(attrs={name: values for name, values in entry.attrs.items() if name not in VOLATILE})


class Value(NamedTuple):
    """What an attribute is set to."""

    values: tuple[str, ...]
    inherited: bool = False
    """Whether it comes from above: the class of service of an account."""


def effective(entry: Entry, above: Entry | None = None) -> Mapping[str, Value]:
    """Return the attributes of an entry by name, in their order, secrets by a fingerprint only.

    :param above: the entry that it inherits from; None for none.
    """
    found = {
        name: Value(values, True) for name, values in (above.attrs if above else {}).items() if name not in _OF_A_COS
    }
    found.update((name, Value(values)) for name, values in entry.attrs.items() if values)
    return {name: _shown(name, found[name]) for name in sorted(found)}


def _shown(name: str, value: Value) -> Value:
    if name not in SECRETS:
        return value
    # Two dumps can be compared by it: whether a password is the same can be seen, what it is cannot.
    prints = (hashlib.sha256(one.encode()).hexdigest()[:8] for one in value.values)
    return value._replace(values=tuple(f"(secret {one})" for one in prints))
