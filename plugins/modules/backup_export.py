#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_export
short_description: Export the mail server, or a part of it
description:
  - Writes a snapshot of the live system into a directory, compressed and deduplicated, in the format of a Backup Path.
    M(restante.carbonio.external_restore) imports it on another server.
  - An export that is complete is left as it is. One that was stopped begins anew, it does not go on.
  - Accounts whose backup is switched off are left out.
  - In check mode, the entries are listed that would be exported.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: partial
    details: Any run exports anew, into a directory that must be empty.
options:
  destination:
    description: A directory that is empty, or is to be made.
    type: path
    required: true
  domains:
    description: Export only these domains, by name or id, with their accounts and distribution lists.
    type: list
    elements: str
    default: []
  cos:
    description:
      - Export only the accounts of these classes of service, by name or id.
      - With O(domains), only those of these domains.
    type: list
    elements: str
    default: []
  skip_items:
    description: Export the directory only, not the content of the mailboxes.
    type: bool
    default: false
  threshold:
    description: End the export when fewer megabytes than these are free on the disk of O(destination); V(0) for never.
    type: int
    default: 0
  read_error_threshold:
    description: Give up after more than so many failed reads; V(0) never gives up.
    type: int
    default: 0
seealso:
  - module: restante.carbonio.external_restore
  - module: restante.carbonio.mailstore_export
"""

EXAMPLES = r"""
- name: Export a domain that moves to another server
  restante.carbonio.backup_export:
    destination: /srv/move/example.com
    domains: [example.com]
"""

RETURN = r"""
export:
  description: What the export holds, as M(restante.carbonio.backup_info) describes a backup.
  returned: when there is one
  type: dict
  sample: {"backup_path": "/srv/move/example.com", "initialised": true, "accounts": ["ann@example.com"]}
report:
  description: What was read and written. Its C(failures) are what the mail server could not give.
  returned: when something was exported
  type: dict
  sample: {"new_items": 12, "checked_items": 15, "failures": []}
stats:
  description: The report as text.
  returned: when something was exported
  type: str
  sample: "New accounts: 9\nAccounts updated: 0\n"
plan:
  description: The entries that would be exported.
  returned: in check mode, when there is no export yet
  type: list
  elements: str
  sample: ["domain example.com", "account ann@example.com"]
operation_id:
  description: The id of the operation.
  returned: when something was exported
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import export
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "destination": {"type": "path", "required": True},
    "domains": {"type": "list", "elements": "str", "default": []},
    "cos": {"type": "list", "elements": "str", "default": []},
    "skip_items": {"type": "bool", "default": False},
    "threshold": {"type": "int", "default": 0},
    "read_error_threshold": {"type": "int", "default": 0},
    **NOTIFICATIONS,
    **OPERATION,
}


def main() -> None:
    run(export.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
