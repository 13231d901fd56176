# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the tools that disturb need."""

from __future__ import annotations

import pytest

from tests.servers.needed import needed
from tests.torture import layer


@pytest.fixture(scope="session")
def file_layer() -> None:
    """Need the library that disturbs what is done to files, and say why it cannot be had."""
    reason = ""
    try:
        layer.built()
    except layer.Unavailable as error:
        reason = str(error)
    needed("The file layer that fails", reason)
