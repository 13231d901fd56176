# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All targets by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import of_archive, of_backup, of_encryption, of_imports, of_node, of_services, of_store, of_words
from .harness import Target

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target
    for room in (of_backup, of_encryption, of_node, of_store, of_imports, of_archive, of_services, of_words)
    for target in room.TARGETS
}
