# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file in which a service of a node tells how far it is: replaced as a whole, for whoever asks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from ..model.durable import sync_directory

HEARTBEAT: Final = 1_000
"""Milliseconds between two writes of a status file that tells nothing new."""
RETRY_SECONDS: Final = 2.0
"""After which a service tries again what is away."""


def write(path: str, record: Mapping[str, Any], durable: bool = False) -> None:
    """Replace the status file by one that tells this. :raises OSError: it cannot be written.

    :param durable: it is the last one for some time.
    """
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    os.replace(path + ".new", path)
    if durable:
        sync_directory(os.path.dirname(path))
