# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded mail store: SQLite and blob volumes in one directory. It needs no server."""

from __future__ import annotations

from .store import EmbeddedStore

__all__ = ["EmbeddedStore"]
