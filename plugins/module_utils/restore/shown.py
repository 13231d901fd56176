# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""States as they may be shown to an administrator: whole, but for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..backup.repository import Repository
from ..model import kinds
from ..model.state import Entry, ItemState, State

HIDDEN: Final = "(hidden)"

_SECRET: Final = re.compile(
    r"(?:^userPassword|PasswordHistory|(?:DataSource|Ldap|Smtp|Proxy|Fetch|Keystore|AppSpecific)Password|Secret|"
    r"ScratchCodes|Tokens?|PreAuthKey|RecoveryCode|VerificationData|PrivateKey)$"
)


def shown(state: State) -> dict[str, Any]:
    """Return a state as the backup has it (R-034), with the values of passwords, keys and tokens hidden."""
    record = state.to_json()
    if isinstance(state, Entry):
        record["attrs"] = {
            name: [HIDDEN] if _SECRET.search(name) else values for name, values in record.get("attrs", {}).items()
        }
    elif state.kind == kinds.DATA_SOURCE and "password" in state.attrs:
        record["attrs"] = {**state.attrs, "password": HIDDEN}
    return record


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)


class Paths:
    """The paths of an account's folders in a backup, as they were at a moment."""

    def __init__(self, source: Repository, account_id: str, at: int | None = None) -> None:
        self._source = source
        self._account_id = account_id
        self._at = at
        self._known: dict[str, str] = {}

    def path(self, folder_id: str) -> str:
        """Return a folder's path such as /Inbox/Bills; one that the backup does not know stands as unknown_<id>."""
        names: list[str] = []
        passed: list[str] = []
        start = ""
        while folder_id and folder_id not in passed:
            if folder_id in self._known:
                start = self._known[folder_id]
                break
            passed.append(folder_id)
            folder = self._folder(folder_id)
            if folder is not None and not folder.folder and not folder.name:
                break  # the root
            names.append(f"unknown_{folder_id}" if folder is None else folder.name)
            folder_id = "" if folder is None else folder.folder
        path = start
        for name, passed_id in zip(reversed(names), reversed(passed[: len(names)])):
            path = self._known[passed_id] = f"{path}/{name}"
        return path or ("/" if passed else "")

    def _folder(self, folder_id: str) -> ItemState | None:
        """Return a folder as it was, or as it was last where it was deleted by then."""
        last = None
        for one in self._source.history(self._account_id, folder_id):
            if isinstance(one.state, ItemState) and (self._at is None or one.at <= self._at):
                last = one.state
        return last
