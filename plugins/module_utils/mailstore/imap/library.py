# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The library IMAPClient, where it is there. Who opens a connection without it is told so."""

from __future__ import annotations

import traceback

try:
    import imapclient
    from imapclient import imap_utf7
    from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

    MISSING = ""
except ImportError:
    MISSING = traceback.format_exc()

__all__ = ["MISSING", "IMAPClientAbortError", "IMAPClientError", "imap_utf7", "imapclient"]
