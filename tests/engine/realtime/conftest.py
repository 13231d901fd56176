# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose Realtime Scanner runs as a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from realtime_kit import LiveNode


@pytest.fixture
def live_node(tmp_path: Path) -> Iterator[LiveNode]:
    with contextlib.closing(LiveNode(tmp_path)) as node:
        yield node
