#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: purge
short_description: Take out of a backup what is older than the retention
description:
  - Takes out of the backup the states of items that nobody can ask for within the retention any more, items deleted
    before it, deleted accounts whose own retention has passed, and every content that nothing refers to then.
  - Accounts on legal hold stay as they are, see M(restante.carbonio.legal_hold).
  - Merges the many small files that frequent commits leave, uploads the result to the backup volume, and removes files
    that no restore can need any more, here and there. What a bucket keeps under Object Lock is told with a warning, and
    tried again by the next purge.
  - It may be killed at any moment and run again. A second purge changes nothing.
  - The Realtime Scanner waits while packs are written anew, and goes on afterwards.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: partial
    details: There are no O(notifications). A run counts as a change. Check mode shows the command.
options:
  purge_days:
    description:
      - Days for which the past of items is kept, in the place of the node's own setting, see
        O(restante.carbonio.backup_config#module:data_retention_days).
      - With V(0) everything is kept, and the purge ends at once.
    type: str
  backup_path:
    description: Another Backup Path than the node's own.
    type: path
  trust_clock:
    description:
      - Whether to take the node's clock for right. Otherwise the present is no later than by the clock of a bucket, or
        where there is none, than a week after what was recorded last; and what was recorded after a leap of more than
        a week counts only when the clock has gone on for a week. A warning tells where that matters.
    type: bool
    default: false
seealso:
  - module: restante.carbonio.backup_config
  - module: restante.carbonio.legal_hold
"""

EXAMPLES = r"""
- name: Purge by the retention of the node
  restante.carbonio.purge:

- name: Show what would go if 90 days were kept
  restante.carbonio.purge:
    purge_days: 90
  check_mode: true
  diff: true
"""

RETURN = r"""
report:
  description:
    - What has gone from the backup, or would go in check mode, and what stays because of a legal hold.
    - Not in check mode, also how many files were written, removed here and in the archive, are waiting for their grace
      time, and could not be removed from the archive.
  returned: success
  type: dict
  sample: {"purged_accounts": ["old@example.com"], "purged_items": 12, "purged_states": 40, "purged_blobs": 11}
stats:
  description: The report as text.
  returned: when not in check mode
  type: str
  sample: "Purged accounts: old@example.com\nPurged items: 12\n"
plan:
  description: What would go from the backup, one line for each account.
  returned: in check mode
  type: list
  elements: str
  sample: ["ann@example.com: 12 items and 40 states go"]
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import care
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "purge_days": {"type": "str"}, "backup_path": {"type": "path"}, "trust_clock": {"type": "bool", "default": False},
    **NOTIFICATIONS, **OPERATION,
}


def main() -> None:
    run(care.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
