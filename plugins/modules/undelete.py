#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: undelete
short_description: Restore what was deleted from a mailbox in an interval
description:
  - Restores all that left a mailbox in an interval, be it by emptying the Trash or past it, as it was last, from the
    node's own backup. Everything that comes back has the tag C(undelete_DD_MM_YY) with the day of the run.
  - An item comes back to the folder that it was in before it went to the Trash, by the path that this folder had then;
    to the Trash only what never was anywhere else. Folders that are missing are made again.
  - The flag by which IMAP programs mark an item as deleted is removed.
  - It may be killed and run again, every item is there once. What one run has brought back, no run brings back again,
    whatever its interval; a copy that somebody deletes is a deletion of its own.
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
    details: The report counts items, and not by kind. Check mode shows the command and does not look for work.
options:
  account:
    description: Whose mailbox, by address, alias or id.
    type: str
    required: true
  start_date:
    description: The start of the interval, as V(2026-10-08T10:15:00+02:00), as V(08/10/2026 10:15:00), or V(first).
    type: str
    required: true
  end_date:
    description: The end of the interval, a date or V(last).
    type: str
    required: true
  target_original_folder:
    description:
      - Put everything back to where it was.
      - With V(false), into one folder of the name of the tag, with the folders that it was in below.
    type: bool
    default: true
seealso:
  - module: restante.carbonio.item_restore
  - module: restante.carbonio.item_search_info
  - module: restante.carbonio.new_account_restore
"""

EXAMPLES = r"""
- name: Bring back what Ann has deleted since this morning
  restante.carbonio.undelete:
    account: ann@example.com
    start_date: 08/10/2026 08:00:00
    end_date: last

- name: Show all that was ever deleted, apart from what is there
  restante.carbonio.undelete:
    account: ann@example.com
    start_date: first
    end_date: last
    target_original_folder: false
"""

RETURN = r"""
tag:
  description: The tag of what this run has brought back.
  returned: when not in check mode
  type: str
  sample: undelete_08_10_26
report:
  description: What was restored now and what was there already, by kind, and what could not be, with the reason.
  returned: when not in check mode
  type: dict
  sample:
    restored: {"folder": 1, "message": 220, "tag": 1}
    skipped: {"folder": 3}
    unrestored: {}
    unrestored_items: []
    not_held: {}
    warnings: []
stats:
  description: The report as text, in the documented form.
  returned: when not in check mode
  type: str
  sample: "- stats -\nRestored Items: 222\n"
seconds:
  description: How long each phase has taken, and the whole.
  returned: when not in check mode
  type: dict
  sample: {"items": 1.2, "total": 1.3}
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
  sample: ["create folder /Inbox/Projects", "restore 220 x message"]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import items
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
    "start_date": {"type": "str", "required": True},
    "end_date": {"type": "str", "required": True},
    "target_original_folder": {"type": "bool", "default": True},
}


def main() -> None:
    run(items.answer_undelete, ARGUMENTS)


if __name__ == "__main__":
    main()
