# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version of the collection: a node gets single modules of it, without the file that says it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "1.0.0"
