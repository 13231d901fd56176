#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: legal_hold
short_description: Keep every state of accounts for ever
description:
  - Sets or lifts the legal hold of accounts. Nothing of an account on hold is ever purged, whatever the retention says.
  - The hold is part of the backup, so it is in the archive too, and outlives the account and the node.
  - The account itself works as before.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: full
options:
  accounts:
    description:
      - The accounts, by address or id, or the word V(all). Deleted accounts that the backup still has are among them.
      - An address means the account that has it; where none has it any more, all deleted ones that had it.
    type: list
    elements: str
    required: true
  state:
    description: Whether the accounts are on hold.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: restante.carbonio.legal_hold_info
  - module: restante.carbonio.purge
"""

EXAMPLES = r"""
- name: Keep everything of an account
  restante.carbonio.legal_hold:
    accounts: [ann@example.com]

- name: Let the retention hold for it again
  restante.carbonio.legal_hold:
    accounts: [ann@example.com]
    state: absent
"""

RETURN = r"""
accounts:
  description: The accounts that were named, as they are now.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The address.
      type: str
    id:
      description: The id.
      type: str
    held:
      description: Whether it is on hold.
      type: bool
    deleted:
      description: Whether there is no such account any more.
      type: bool
  sample: [{"name": "ann@example.com", "id": "4a217bb3", "held": true, "deleted": false}]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import care
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "accounts": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    run(care.answer_hold, ARGUMENTS)


if __name__ == "__main__":
    main()
