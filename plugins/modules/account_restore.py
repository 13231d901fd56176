#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: account_restore
short_description: Restore a deleted account with its own id
description:
  - Brings back an account that was deleted, from the node's own backup, with its id, its aliases, its preferences and
    its mailbox as they were at its deletion or at a moment before.
  - It may be killed and run again, every item is there once. A run that finds its work done changes nothing, even where
    somebody has worked with the account since.
  - An account that is there, or whose address another one has by now, is an error, and is left alone.
  - Folders have other ids than before, so mountpoints of others lead nowhere until M(restante.carbonio.share_fix) is
    given RV(map_file). The folders concerned are told as warnings.
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
    support: none
    details:
      - The vendor restores deleted accounts in its administration panel alone;
        M(restante.carbonio.new_account_restore) restores one under another id.
options:
  account:
    description:
      - The account to restore, by address, alias or id. Of several that had an address it is the one that was there at
        O(date), else the one that was deleted last; the others are named by their id.
    type: str
    required: true
  domain:
    description: The domain, which exists, that the account is to be in; that of its address where it is not given.
    type: str
    default: ""
  date:
    description:
      - The moment, as V(2026-03-28T09:29:49+01:00), as V(28/03/2026 09:29:49), or V(last) for that of its deletion.
      - One before there was the account means its first moment in the backup, which is told as a warning.
    type: str
    default: last
  restore_datasource:
    description: Restore external data sources.
    type: bool
    default: true
seealso:
  - module: restante.carbonio.new_account_restore
  - module: restante.carbonio.available_accounts_info
  - module: restante.carbonio.share_fix
"""

EXAMPLES = r"""
- name: Bring back an account that was deleted by mistake
  restante.carbonio.account_restore:
    account: ben@example.com
  register: restored

- name: Let the mountpoints of others lead into it again
  restante.carbonio.share_fix:
    import_idmap_file: "{{ restored.map_file }}"

- name: Bring back an account whose domain is gone, in another one
  restante.carbonio.account_restore:
    account: cleo@old.example
    domain: example.com
    date: "2026-03-01"
"""

RETURN = r"""
account:
  description: The account.
  returned: when not in check mode
  type: dict
  sample: {"id": "c6a1ab5b-2c6e-4c0f-a3c7-0f3a51f6f6f4", "name": "ben@example.com"}
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
  sample: ["create account ben@example.com", "restore 2200 x message"]
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
    "account": {"type": "str", "required": True},
    "domain": {"type": "str", "default": ""},
    "date": {"type": "str", "default": "last"},
    "restore_datasource": {"type": "bool", "default": True},
}


def main() -> None:
    run(accounts.answer_account, ARGUMENTS)


if __name__ == "__main__":
    main()
