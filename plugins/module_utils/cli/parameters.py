# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters that several commands have."""

from __future__ import annotations

from typing import Final

from .grammar import INTEGER, LIST, PATH, TEXT, Parameter, choice

START: Final = Parameter("action", choice("start"), "the word start")
NOTIFICATIONS: Final = Parameter("notifications", LIST, "further addresses to notify", ())
SERVER_ID: Final = Parameter("server_id", TEXT, "the server, where the archive has the backups of several", "")
WITNESS: Final = Parameter("witness", PATH, "what the uploads have noted of the archive: refuse an older state", "")
THREADS: Final = Parameter("threads", INTEGER, "requests in flight", 10)
URL: Final = Parameter("url", TEXT, "where the server is: https://...", "")
PREFIX: Final = Parameter("prefix", TEXT, "folder before all files", "")
REGION: Final = Parameter("region", TEXT, "", "")
