#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: legal_hold_info
short_description: Read which accounts are on legal hold
description:
  - Returns the accounts of the backup, deleted ones too, and whether they are on legal hold.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: full
options:
  accounts:
    description: Only these accounts, by address or id.
    type: list
    elements: str
    default: [all]
seealso:
  - module: restante.carbonio.legal_hold
"""

EXAMPLES = r"""
- name: Read which accounts are on hold
  restante.carbonio.legal_hold_info:
  register: hold

- name: Show them
  ansible.builtin.debug:
    msg: "{{ hold.accounts | selectattr('held') | map(attribute='name') | list }}"
"""

RETURN = r"""
accounts:
  description: The accounts.
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

ARGUMENTS = {"accounts": {"type": "list", "elements": "str", "default": ["all"]}}


def main() -> None:
    run(lambda call: {"accounts": care.holds(call.node(), call["accounts"])}, ARGUMENTS)


if __name__ == "__main__":
    main()
