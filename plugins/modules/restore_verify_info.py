#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_verify_info
short_description: Prove that a restored backup is complete
description:
  - Compares this mail server with a backup that was restored to it, item by item, every content hashed anew.
  - It does not ask the restore what it did, it reads both sides itself.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
  - restante.carbonio.attributes.operation
attributes:
  vendor_engine:
    support: none
options:
  source_path:
    description: The backup that was restored, a Backup Path or a restore directory.
    type: path
    required: true
  at:
    description: Compare with the backup as it was then, in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss).
    type: str
    default: last
  accounts:
    description: Compare these accounts only, by address or id.
    type: list
    elements: str
    default: []
  skip_system_accounts:
    description: Leave out service mailboxes that were not named, as M(restante.carbonio.external_restore) does.
    type: bool
    default: true
  fail_on_difference:
    description: Fail the task when something is missing or different.
    type: bool
    default: false
seealso:
  - module: restante.carbonio.external_restore
"""

EXAMPLES = r"""
- name: Prove that every item is back
  restante.carbonio.restore_verify_info:
    source_path: /opt/zextras/restore
    fail_on_difference: true
"""

RETURN = r"""
verification:
  description:
    - Counts by kind of what was expected, verified, missing, different and foreign; by field, in how many items it was
      compared and in how many it differs; and the differences.
    - C(rewritten) counts, of what was verified, the contacts and appointments that the mail server has written
      anew, and that still say the same.
  returned: success
  type: dict
  sample: {"expected": {"message": 2200}, "verified": {"message": 2200}, "differences": [], "passed": true}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **OPERATION,
    "source_path": {"type": "path", "required": True},
    "at": {"type": "str", "default": "last"},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "skip_system_accounts": {"type": "bool", "default": True},
    "fail_on_difference": {"type": "bool", "default": False},
}


def main() -> None:
    run(recovery.proof, ARGUMENTS)


if __name__ == "__main__":
    main()
