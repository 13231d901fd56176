#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smartscan
short_description: Run a SmartScan
description:
  - Brings the Backup Path up to date with the mail server, and uploads what is new to the backup volume.
  - The first run initialises the backup. Later runs look only at accounts that changed since.
  - In check mode, what has changed is listed and nothing is written. What only O(deep=true) would find is not listed.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: partial
    details:
      - Check mode shows the command and does not look for changes; without word from carbonio a run counts as a
        change, and O(state=initialised) scans.
      - O(accounts) are scanned one by one, without O(read_error_threshold).
options:
  state:
    description:
      - V(current) scans in any case, and does nothing where nothing has changed.
      - V(initialised) scans only where this node has no backup yet.
    type: str
    choices: [initialised, current]
    default: current
  deep:
    description: Look at every item and read every content again, and write again what the backup lacks.
    type: bool
    default: false
  accounts:
    description: Scan only these accounts, by address or id.
    type: list
    elements: str
    default: []
  read_error_threshold:
    description: Give up after more than so many failed reads; V(0) never gives up.
    type: int
    default: 0
seealso:
  - module: restante.carbonio.backup_info
"""

EXAMPLES = r"""
- name: Initialise the backup, or bring it up to date
  restante.carbonio.smartscan:
"""

RETURN = r"""
report:
  description: What the scan found and wrote.
  returned: when not in check mode
  type: dict
  sample: {"new_items": 12, "checked_items": 15, "commits": 1}
stats:
  description: The report as text.
  returned: when not in check mode
  type: str
  sample: "New accounts: 9\nAccounts updated: 0\n"
changed_accounts:
  description: The accounts that have changed since the last scan.
  returned: in check mode
  type: list
  elements: str
  sample: ["ann@example.com"]
changed_entries:
  description: Domains, classes of service, distribution lists and accounts that have changed since the last scan.
  returned: in check mode
  type: list
  elements: str
  sample: ["domain example.com"]
commits_to_upload:
  description: How many commits the backup volume does not have yet.
  returned: in check mode
  type: int
  sample: 0
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "state": {"type": "str", "choices": ["initialised", "current"], "default": "current"},
    **NOTIFICATIONS,
    **OPERATION,
    "deep": {"type": "bool", "default": False},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "read_error_threshold": {"type": "int", "default": 0},
}


def main() -> None:
    run(backups.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
