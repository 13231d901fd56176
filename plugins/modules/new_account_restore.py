#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: new_account_restore
short_description: Restore an account as it was at a moment on a new account
description:
  - Makes a new account with an id of its own, and in it the mailbox, the preferences and the signatures that an account
    had at a moment, from the node's own backup. The account itself, be it there, broken or deleted, is not touched.
  - It may be killed and run again, every item is there once. A run that finds its work done changes nothing, even where
    somebody has worked with the new account since.
  - An account that is there and was not made by this very restore is an error, and is left alone.
  - Shares are not kept, because they name the id of the other account. Those concerned are told as warnings.
  - The backup is first brought up to what the mail server holds.
  - In check mode the plan is shown and nothing is touched.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
  - restante.carbonio.attributes.unrestored
  - restante.carbonio.attributes.hsm
attributes:
  vendor_engine:
    support: partial
    details:
      - The report counts items, and not by kind.
      - There is no O(hide_in_gal).
      - Check mode shows the command and does not look for work.
options:
  source_account:
    description:
      - The account to restore, by address, alias or id. Of several that had an address it is the one that was there at
        O(date), else the one that was deleted last; the others are named by their id.
    type: str
    required: true
  destination_account:
    description: The address of the new account, in a domain that exists.
    type: str
    required: true
  date:
    description:
      - The moment, as V(2026-03-28T09:29:49+01:00), as V(28/03/2026 09:29:49), or V(last).
      - Of a deleted account, V(last) is the moment of its deletion.
      - What V(last) meant the first time it means for every later run to the same destination.
    type: str
    default: last
  undelete:
    description:
      - Also restore what was deleted by then, in the folder where it was before it went to the Trash.
      - For accounts on legal hold, whose whole past the backup keeps.
    type: bool
    default: false
  undelete_start_date:
    description: With O(undelete), restore only what was deleted at this moment or later; a date or V(first).
    type: str
    default: first
  restore_datasource:
    description: Restore external data sources.
    type: bool
    default: true
  hide_in_gal:
    description: Leave the new account out of the address list.
    type: bool
    default: false
seealso:
  - module: restante.carbonio.account_restore
  - module: restante.carbonio.available_accounts_info
  - module: restante.carbonio.legal_hold
  - module: restante.carbonio.share_fix
"""

EXAMPLES = r"""
- name: See what Ann's mailbox held before it was emptied
  restante.carbonio.new_account_restore:
    source_account: ann@example.com
    destination_account: ann.restored@example.com
    date: 28/03/2026 09:29:49
    hide_in_gal: true

- name: Everything that ever was in a mailbox on legal hold
  restante.carbonio.new_account_restore:
    source_account: ann@example.com
    destination_account: hold.ann@example.com
    undelete: true
    restore_datasource: false
    notifications: [legal@example.com]
"""

RETURN = r"""
account:
  description: The new account.
  returned: when not in check mode
  type: dict
  sample: {"id": "7d5b5b62-3a0c-4a3c-9a53-5f0d3f0f2d0e", "name": "ann.restored@example.com"}
date:
  description: The moment that was restored.
  returned: success
  type: str
  sample: "2026-03-28T08:29:49.000Z"
report:
  description: What was restored now and what was there already, by kind, and what could not be, with the reason.
  returned: when not in check mode
  type: dict
  sample:
    restored: {"account": 1, "folder": 14, "message": 2200}
    skipped: {}
    unrestored: {}
    unrestored_items: []
    not_held: {}
    warnings: []
stats:
  description: The report as text, in the documented form, with the shares that could not be kept.
  returned: when not in check mode
  type: str
  sample: "- stats -\nRestored Items: 2215\n"
map_file:
  description: The map of this restore, for M(restante.carbonio.share_fix) and M(restante.carbonio.map_info).
  returned: when not in check mode
  type: str
  sample: /opt/zextras/backup/zextras/accounts/7d5b5b62/map_0f3c6f3e
seconds:
  description: How long each phase has taken, and the whole.
  returned: when not in check mode
  type: dict
  sample: {"account": 0.1, "items": 3.2, "total": 3.4}
operation_id:
  description: The id of the operation; empty where an earlier run had finished.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
plan:
  description: What would be done.
  returned: in check mode
  type: list
  elements: str
  sample: ["create account ann.restored@example.com", "restore 2200 x message"]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import accounts
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import (
    HSM,
    NOTIFICATIONS,
    OPERATION,
    UNRESTORED,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **HSM,
    **UNRESTORED,
    **NOTIFICATIONS,
    **OPERATION,
    "source_account": {"type": "str", "required": True},
    "destination_account": {"type": "str", "required": True},
    "date": {"type": "str", "default": "last"},
    "undelete": {"type": "bool", "default": False},
    "undelete_start_date": {"type": "str", "default": "first"},
    "restore_datasource": {"type": "bool", "default": True},
    "hide_in_gal": {"type": "bool", "default": False},
}


def main() -> None:
    run(accounts.answer_new_account, ARGUMENTS)


if __name__ == "__main__":
    main()
