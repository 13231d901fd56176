# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of thing a backup keeps (reference, section 1 "Item")."""

from __future__ import annotations

from typing import Final

MESSAGE: Final = "message"
CONTACT: Final = "contact"
CONTACT_GROUP: Final = "contact_group"
FOLDER: Final = "folder"
APPOINTMENT: Final = "appointment"
TASK: Final = "task"
DOCUMENT: Final = "document"
TAG: Final = "tag"
MOUNTPOINT: Final = "mountpoint"
DATA_SOURCE: Final = "data_source"
FILTER_SET: Final = "filter_set"

ITEM_KINDS: Final = (
    FOLDER, TAG, MESSAGE, CONTACT, CONTACT_GROUP, APPOINTMENT, TASK, DOCUMENT, FILTER_SET, MOUNTPOINT, DATA_SOURCE,
)
"""What lies in a mailbox, in the order in which an empty mailbox can be filled."""

ACCOUNT: Final = "account"
DOMAIN: Final = "domain"
COS: Final = "cos"
DISTRIBUTION_LIST: Final = "distribution_list"

ENTRY_KINDS: Final = (DOMAIN, COS, DISTRIBUTION_LIST, ACCOUNT)
"""What lies in the directory, in the order of phase 1 of an External Restore (R-141 to R-144)."""

LEGAL_HOLD: Final = "legal_hold"
"""A note of the backup itself, in the server's journal: that an account is on hold. No restore writes it anywhere."""

WITH_CONTENT: Final = frozenset((MESSAGE, CONTACT, CONTACT_GROUP, APPOINTMENT, TASK, DOCUMENT, FILTER_SET))
"""Item kinds that have a blob: RFC 822, vCard, iCalendar, Sieve, or a document's own bytes."""
