# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts whose backup is switched off, by themselves or by their class of service."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ACCOUNT_ITEM, Entry


def switch(node: Any, kind: str, entry_id: str, value: str) -> None:
    entry = node.store.find_entry(kind, entry_id)
    node.store.update_entry(entry._replace(attrs={"backupEnabled": (value,) if value else ()}))


@pytest.mark.parametrize("by", [kinds.ACCOUNT, kinds.COS])
@pytest.mark.parametrize("named", [False, True])
def test_an_account_is_deleted_to_the_backup_while_it_is_off_and_back_when_it_is_on(
    node: Any, by: str, named: bool
) -> None:
    """R-245, R-246."""
    node.store.create_entry(Entry("c-1", kinds.COS, "Small"))
    ann, bob = node.account("ann"), node.account("bob")
    entry = node.store.find_entry(kinds.ACCOUNT, ann)
    node.store.update_entry(entry._replace(attrs={**entry.attrs, "zimbraCOSId": ("c-1",)}))
    node.mail(ann, b"one")
    node.scan()
    before = node.recorded(ann)
    assert before == node.live(ann)

    switch(node, by, ann if by == kinds.ACCOUNT else "c-1", "FALSE")
    node.mail(ann, b"two")
    node.mail(bob, b"three")
    options = {"accounts": [ann]} if named else {}
    report = node.scan(**options)
    assert report.deleted_accounts == 1
    assert node.repository.entry(ann, ACCOUNT_ITEM) is None
    assert node.recorded(ann) == before, "what it held stays as it was"
    if not named:
        assert node.recorded(bob) == node.live(bob)
        assert not node.scan().changed
    elif by == kinds.ACCOUNT:
        *_older, last, deletion = node.repository.history(ann, ACCOUNT_ITEM)
        assert last.state.first("backupEnabled") == "FALSE" and deletion.state is None

    switch(node, by, ann if by == kinds.ACCOUNT else "c-1", "")
    node.scan(**options)
    assert node.repository.entry(ann, ACCOUNT_ITEM) is not None
    assert node.recorded(ann) == node.live(ann), "also what came meanwhile"


def test_an_account_that_was_never_on_is_not_there(node: Any) -> None:
    """R-245."""
    ann = node.account("ann")
    switch(node, kinds.ACCOUNT, ann, "false")
    node.mail(ann, b"one")
    report = node.scan()
    assert node.repository.scopes() == [] and report.checked_items == 1
    assert not node.scan(accounts=["ann@example.com"]).changed
