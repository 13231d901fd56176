# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Legal hold as a part of the backup."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.care import hold
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import SERVER

from tests.engine.backup.conftest import ANNA, BOB, account, opened, without_catalogue
from tests.engine.backup.test_rescue import rescue
from tests.engine.care.care_kit import delete_bob

ANNAS, BOBS = f"{ANNA}@example.com", f"{BOB}@example.com"


def change(path: Path, names: list[str], held: bool) -> list[str]:
    """Set or lift holds; return the addresses of the accounts for which that was a change."""
    repository = opened(path)
    with repository.writer() as writer:
        return [one.name for one in hold.change(writer, hold.named(hold.accounts(repository), names), held)]


def test_a_hold_is_set_and_lifted_and_its_history_stays(past: Path) -> None:
    """R-242."""
    assert change(past, [ANNAS], True) == [ANNAS]
    assert change(past, [ANNA], True) == [] and change(past, ["ALL"], True) == [BOBS]
    assert hold.held(opened(without_catalogue(past))) == {ANNA, BOB}
    assert change(past, [BOBS.upper(), BOB], False) == [BOBS]
    assert [(one.name, one.account_id, one.held, one.deleted) for one in hold.accounts(opened(past))] == [
        (ANNAS, ANNA, True, False), (BOBS, BOB, False, False)
    ]
    told = [one.state is not None for one in opened(past).history(SERVER, f"hold:{BOB}")]
    assert told == [True, False], "when it was set and when it was lifted"


def test_nothing_is_written_where_nothing_changes(past: Path) -> None:
    newest = opened(past).newest()
    change(past, [ANNAS], False)
    assert opened(past).newest() == newest


def test_an_address_means_the_account_that_has_it_now(past: Path) -> None:
    delete_bob(past, 95)
    assert change(past, [BOBS], True) == [BOBS], "deleted, and nobody has the address since"
    with opened(past).writer() as writer:
        account(writer, "new", 96)
        entry = opened(past).entry(BOB, "account", 94 * 86_400_000)
        assert entry is not None
        writer.append("new", "account", kinds.ACCOUNT, entry._replace(entry_id="new"))
        writer.commit()
    assert change(past, [BOBS], True) == [BOBS]
    assert hold.held(opened(past)) == {BOB, "new"}
    change(past, [BOB], False)
    assert hold.held(opened(past)) == {"new"}, "its id means the deleted one"


def test_an_unknown_account_is_named_and_nothing_is_changed(past: Path) -> None:
    with pytest.raises(NotFound, match="'nobody@example.com', 'x'"):
        change(past, [ANNAS, "nobody@example.com", "x"], True)
    assert hold.held(opened(past)) == set()


def test_neither_restores_nor_the_rescue_script_take_it_for_mail(past: Path) -> None:
    """R-244."""
    change(past, ["all"], True)
    repository = opened(past)
    assert [one for kind in kinds.ENTRY_KINDS for one in repository.entries(kind) if one.kind == kinds.LEGAL_HOLD] == []
    assert not {one.item_id for one in repository.states(ANNA)} & {f"hold:{ANNA}"}
    assert rescue(past, "accounts")[0].count("\n") == 2
