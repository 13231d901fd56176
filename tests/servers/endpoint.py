# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a test needs to know of an object store that was started for it."""

from __future__ import annotations

from typing import NamedTuple


class Endpoint(NamedTuple):
    """An S3 server and a user of it."""

    url: str
    access_key: str
    secret_key: str
