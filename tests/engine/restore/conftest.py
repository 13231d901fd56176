# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Worlds to restore in."""

from __future__ import annotations

from pathlib import Path

import pytest
from copy_kit import Server
from restore_kit import World, fill


@pytest.fixture
def empty_world(tmp_path: Path) -> World:
    """Two servers with nothing on them."""
    return World(tmp_path)


@pytest.fixture
def world(empty_world: World) -> World:
    """A server with everything in it, its backup, and a fresh server to restore to."""
    with empty_world.a() as store:
        fill(store)
    return empty_world


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server with everything in it, and its backup."""
    server = Server.create(tmp_path)
    with server.changed() as store:
        fill(store)
    return server
