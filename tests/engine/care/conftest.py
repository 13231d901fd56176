# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backup that has lived for some weeks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engine.care.care_kit import live


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lived") / "backup"
    live(path)
    return path


@pytest.fixture
def past(lived: Path, tmp_path: Path) -> Path:
    """A Backup Path with a past."""
    return Path(shutil.copytree(lived, tmp_path / "backup"))
