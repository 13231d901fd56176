# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that drill themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_kit import Machine, make


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A node that nobody drills: others are copies of it."""
    return make(tmp_path_factory.mktemp("original") / "node")


@pytest.fixture
def machine(original: Machine, tmp_path: Path) -> Machine:
    """A node for one test."""
    return original.copy(tmp_path / "node")
