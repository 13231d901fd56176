# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The letters of access rights over IMAP."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.rights import EXACT, letters_of


@pytest.mark.parametrize(("shown", "real"), [
    ("ilprwtsd", "ilprwts"),
    ("klrc", "klr"),
    ("xlrc", "xlr"),
    ("lrwstipekxacd", "lrwstipekxa"),
    ("lrswipcda", "lrswipcda"),  # a server that knows no others
])
def test_no_right_is_given_that_a_server_shows_only_for_the_sake_of_old_clients(shown: str, real: str) -> None:
    """RFC 4314 section 2.1.1."""
    assert letters_of({EXACT: shown}) == real


def test_rights_of_another_kind_of_server_become_those_of_imap() -> None:
    assert letters_of({"rights": "rwd"}) == "lrswte"
