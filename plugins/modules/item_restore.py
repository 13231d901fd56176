#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: item_restore
short_description: Restore one item of a mailbox
description:
  - Restores exactly one item from the node's own backup into the mailbox that it is from, deleted or not, with the
    content, flags, tags and date that it had. Of a folder that is the folder itself, and nothing of what was in it.
  - It may be killed and run again, the item is there once. A run that finds its work done changes nothing, even where
    somebody has moved or deleted the restored item since.
  - What is in the mailbox stays as it is. A former state of an item that is still there comes back as another item.
    Only filters, and a folder whose path a folder has, become again what they were.
  - Where the content is lost, the result names the nearest state that can be restored.
  - The backup is first brought up to what the mail server holds.
  - In check mode the plan is shown and nothing is touched.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: partial
    details:
      - The report counts items, and not by kind.
      - There are no O(notifications).
      - Check mode shows the command and does not look for work.
options:
  account:
    description: Whose item it is, by address, alias or id.
    type: str
    required: true
  item_id:
    description:
      - The item, of any kind. M(restante.carbonio.item_search_info) and M(restante.carbonio.mailbox_log_info) find it.
    type: str
    required: true
  date:
    description:
      - The moment whose state is wanted, as V(2026-03-28T09:29:49+01:00), as V(28/03/2026 09:29:49), or V(last).
      - Of an item that was deleted by then, it is the last state before.
    type: str
    default: last
  restore_folder:
    description:
      - The folder to put it into, as a path from the root; it is made where it is missing.
      - Without it, the folder that the item was in, before it went to the Trash.
    type: str
  fail_on_unrestored:
    description: Fail the task, after the restore has ended, when the item could not be restored.
    type: bool
    default: true
seealso:
  - module: restante.carbonio.item_info
  - module: restante.carbonio.item_search_info
  - module: restante.carbonio.mailbox_log_info
  - module: restante.carbonio.undelete
"""

EXAMPLES = r"""
- name: Bring back a message that was deleted
  restante.carbonio.item_restore:
    account: ann@example.com
    item_id: "4784"

- name: Bring back a contact as it was before somebody changed it, beside the present one
  restante.carbonio.item_restore:
    account: ann@example.com
    item_id: "311"
    date: 28/03/2026 09:29:49
    restore_folder: /Contacts/Before
"""

RETURN = r"""
report:
  description: What was restored now and what was there already, by kind, and what could not be, with the reason.
  returned: when not in check mode
  type: dict
  sample:
    restored: {"message": 1}
    skipped: {"folder": 2}
    unrestored: {}
    unrestored_items: []
    not_held: {}
    warnings: []
stats:
  description: The report as text, in the documented form.
  returned: when not in check mode
  type: str
  sample: "- stats -\nRestored Items: 1\n"
seconds:
  description: How long each phase has taken, and the whole.
  returned: when not in check mode
  type: dict
  sample: {"items": 0.2, "total": 0.2}
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
plan:
  description: What would be done.
  returned: in check mode
  type: list
  elements: str
  sample: ["create folder /Inbox/Projects", "restore 1 x message"]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import items
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **NOTIFICATIONS,
    **OPERATION,
    "account": {"type": "str", "required": True},
    "item_id": {"type": "str", "required": True},
    "date": {"type": "str", "default": "last"},
    "restore_folder": {"type": "str"},
    "fail_on_unrestored": {"type": "bool", "default": True},
}


def main() -> None:
    run(items.answer_item, ARGUMENTS)


if __name__ == "__main__":
    main()
