#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: account_info
short_description: Show an account as a backup has it
description:
  - Returns the attributes, aliases and signatures of an account at a moment, or all of its states.
  - Passwords, keys and tokens are hidden.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: The account is told in the vendor's own fields.
options:
  account:
    description: The account, by address, alias or id; also one that is deleted.
    type: str
    required: true
  date:
    description:
      - V(most_recent), V(least_recent), V(all), or a moment in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss).
    type: str
    default: most_recent
  backupstats:
    description: Also count what the backup holds of the mailbox.
    type: bool
    default: false
  backup_path:
    description: Another backup than the node's own, a Backup Path or a restore directory.
    type: path
seealso:
  - module: restante.carbonio.available_accounts_info
"""

EXAMPLES = r"""
- name: What did Ann's account look like before the change
  restante.carbonio.account_info:
    account: ann@example.com
    date: "2026-03-27 18:00"
    backupstats: true
"""

RETURN = r"""
account:
  description: The account and its states, each with when it began and ended.
  returned: success
  type: dict
  sample:
    id: 5f2c
    name: ann@example.com
    deleted: false
    states: [{"start_date": "2026-03-01T08:00:00.000Z", "end_date": "", "deleted": false, "name": "ann@example.com"}]
    backupstats: {"items": {"message": 2200}, "deleted_items": {"message": 12}, "bytes": 73400320}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import account_inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "account": {"type": "str", "required": True},
    "date": {"type": "str", "default": "most_recent"},
    "backupstats": {"type": "bool", "default": False},
    "backup_path": {"type": "path"},
}


def main() -> None:
    run(account_inspection.answer_account, ARGUMENTS)


if __name__ == "__main__":
    main()
