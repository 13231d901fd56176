# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quota of an account is lifted while its items are restored, and put back afterwards (R-018)."""

from __future__ import annotations

import json
from typing import Final

from ..backup.files import Files
from ..model import foreign, kinds
from ..model.durable import make_directories
from ..model.errors import AlreadyExists, Damaged, Refused
from ..model.state import Entry
from .apply import DirectoryApplier
from .attributes import QUOTA, UNLIMITED
from .idmap import account_directory

_NOTE: Final = "quota_lifted"


class Quota:
    """The quota of one account. What it was is noted in the destination's Backup Path: a kill does not lose it."""

    def __init__(self, backup_path: str, applier: DirectoryApplier, account_id: str) -> None:
        self._files = Files(backup_path)
        self._note = f"{account_directory(account_id)}/{_NOTE}"
        self._applier = applier
        self._account_id = account_id

    def lift(self) -> None:
        """Set no limit, where there may be one and the directory can be told.

        Where it cannot, the mail server refuses item by item what goes beyond a quota.
        """
        if kinds.ACCOUNT not in self._applier.store.capabilities().entry_kinds:
            return  # a mere list of accounts
        account = self._account()
        if account is None or account.attrs.get(QUOTA, ()) == UNLIMITED:
            return
        make_directories(self._files.root)
        try:
            self._files.write_new(self._note, json.dumps(list(account.attrs.get(QUOTA, ()))).encode("ascii"))
        except AlreadyExists:  # an earlier run was killed; what it noted is what it was
            pass
        try:
            self._applier.set_attribute(account, QUOTA, UNLIMITED)
        except Refused:  # a directory that has no such attribute, or lets nobody change it
            self._files.remove(self._note)

    def put_back(self) -> None:
        """Set what there was before it was lifted, by this run or by one that was killed.

        :raises Damaged: the note of what it was cannot be read.
        """
        if self._files.size(self._note) is None:
            return
        path = self._files.path(self._note)
        try:
            values = foreign.parse(self._files.read(self._note))
            if not foreign.fits(values, list[str]):
                raise ValueError("it is no list of texts")
        except ValueError as error:
            raise Damaged(
                f"{path} does not say what the quota of account {self._account_id} was; set {QUOTA} yourself, and "
                "remove the file."
            ) from error
        account = self._account()
        if account is not None:
            self._applier.set_attribute(account, QUOTA, values)
        self._files.remove(self._note)

    def _account(self) -> Entry | None:
        return self._applier.store.find_entry(kinds.ACCOUNT, self._account_id)
