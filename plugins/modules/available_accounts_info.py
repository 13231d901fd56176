#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: available_accounts_info
short_description: List the accounts that can be restored from a backup
description:
  - Returns the accounts of a backup at a moment, those that were deleted by then included.
  - Two accounts that had the same address one after the other are two, each with its own id.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: The accounts are told in the vendor's own fields.
options:
  date:
    description: A moment in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss), V(first) or V(last).
    type: str
    default: last
  domains:
    description: Only the accounts of these domains.
    type: list
    elements: str
    default: []
  hide_deleted:
    description: Leave out accounts that were deleted by then.
    type: bool
    default: false
  hide_system_accounts:
    description: Leave out service mailboxes, such as those of GalSync, ham and spam.
    type: bool
    default: true
  hide_existing_accounts:
    description: Leave out accounts that this node's mail server has.
    type: bool
    default: false
  backup_path:
    description: Another backup than the node's own, a Backup Path or a restore directory.
    type: path
seealso:
  - module: restante.carbonio.account_info
  - module: restante.carbonio.external_restore
"""

EXAMPLES = r"""
- name: Which deleted accounts can be brought back
  restante.carbonio.available_accounts_info:
    hide_existing_accounts: true
  register: available
"""

RETURN = r"""
accounts:
  description: The accounts, by address.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 5f2c
      name: ann@example.com
      domain: example.com
      status: active
      system: false
      deleted: true
      deleted_at: "2026-03-28T08:29:49.000Z"
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import account_inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "date": {"type": "str", "default": "last"},
    "domains": {"type": "list", "elements": "str", "default": []},
    "hide_deleted": {"type": "bool", "default": False},
    "hide_system_accounts": {"type": "bool", "default": True},
    "hide_existing_accounts": {"type": "bool", "default": False},
    "backup_path": {"type": "path"},
}


def main() -> None:
    run(account_inspection.answer_available, ARGUMENTS)


if __name__ == "__main__":
    main()
