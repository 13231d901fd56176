# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore on New Account on the embedded store: what comes back, what is left alone, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from copy_kit import COPY, Server
from restore_kit import fill

ANNA = "anna@example.com"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server with everything in it, and its backup."""
    server = Server(tmp_path)
    with server.changed() as store:
        fill(store)
    return server


def test_a_new_account_has_all_that_the_source_has_and_the_source_is_untouched(server: Server) -> None:
    """R-045, R-046, R-047, R-051, R-052."""
    before = server.picture()
    report = server.new(ANNA)
    assert not report.unrestored
    after = server.picture()
    assert {name: after[name] for name in before} == before
    assert server.content(COPY) == server.content(ANNA)
    copy, source = server.entry(COPY), server.entry(ANNA)
    assert copy.entry_id != source.entry_id
    assert copy.signatures == source.signatures and copy.aliases == ()
