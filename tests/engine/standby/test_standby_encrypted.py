# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An encrypted archive is followed with its master key, and with no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.care.forgetting import candidates, forget
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError

from tests.engine.restore.restore_kit import INBOX, fill, mail
from tests.engine.standby.standby_kit import Pair

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path, masters=[KEY])
    pair.primary.delete_entry(kinds.DOMAIN, "d-1")
    fill(pair.primary)
    yield pair
    pair.close()


def test_it_is_followed_with_its_master_key_alone(sealed: Pair) -> None:
    sealed.follow()
    sealed.assert_equal()
    mail(sealed.primary, "a-anna", INBOX, 50)
    sealed.scan()
    for masters in ([OTHER], []):
        sealed.masters = masters
        with pytest.raises(RestanteError, match="master key"):
            sealed.round()
    with sealed.record() as record:
        assert record.meta("state") == "following", "a wrong key is put right, and then it goes on"
    sealed.masters = [OTHER, KEY]
    assert sealed.round().created == {"message": 1}
    sealed.assert_equal()


def test_an_account_that_is_forgotten_goes(sealed: Pair) -> None:
    sealed.follow()
    sealed.primary.delete_entry(kinds.ACCOUNT, "a-bruno")
    sealed.scan()
    with sealed.backup.writer() as writer:
        forget(writer, candidates(sealed.backup, ["a-bruno"]), moment.now())
    sealed.backup.refresh()
    mail(sealed.primary, "a-anna", INBOX, 51)
    sealed.scan()
    sealed.round()
    sealed.assert_equal()
    assert not sealed.round().changed
