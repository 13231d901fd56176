#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config
short_description: Set an attribute of an account, a class of service, a domain or a node
description:
  - Gives an attribute a value of its own, or takes it away, as the vendor's C(carbonio config set) and C(unset) do.
  - The attributes of a node are its settings under the vendor's names, such as C(ZxBackup_DestPath);
    M(restante.carbonio.backup_config) has all of them under ours.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: partial
    details: An attribute gets one value. RV(values) are those of its own.
options:
  level:
    description: What the attribute is of.
    type: str
    required: true
    choices: [account, cos, domain, server]
  name:
    description: The account, class of service or domain, by name or id. A server can be this node only.
    type: str
  attribute:
    description: The attribute; case matters.
    type: str
    required: true
  value:
    description: What it is set to; a list, of which most attributes take one.
    type: list
    elements: str
  state:
    description: V(absent) takes the value away, so that the inherited one shows again.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: restante.carbonio.backup_config
  - module: restante.carbonio.config_info
"""

EXAMPLES = r"""
- name: Leave the accounts of a class of service out of the backup
  restante.carbonio.config:
    level: cos
    name: trial
    attribute: backupEnabled
    value: ["FALSE"]
"""

RETURN = r"""
values:
  description: The attribute as it is set now; empty when it is not.
  returned: success
  type: dict
  sample: {"backupEnabled": "FALSE"}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import attributes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "level": {"type": "str", "required": True, "choices": ["account", "cos", "domain", "server"]},
    "name": {"type": "str"},
    "attribute": {"type": "str", "required": True},
    "value": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    run(attributes.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
