#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_info
short_description: Read the attributes of an account, a class of service, a domain or a node
description:
  - Returns all attributes, as the vendor's C(carbonio config dump) does, so that those before and after a restore can
    be compared.
  - Secrets are returned as a fingerprint, by which it can be seen whether two are the same.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: There is no O(backup_path).
options:
  level:
    description: What to return the attributes of. V(global) is what a node has by default.
    type: str
    required: true
    choices: [account, cos, domain, server, global]
  name:
    description: The account, class of service or domain, by name or id. A server can be this node only.
    type: str
  show_inherited:
    description: Return also what comes from above, of an account its class of service.
    type: bool
    default: true
  backup_path:
    description: Return the attributes as this backup knows them, instead of those on the mail server.
    type: path
seealso:
  - module: restante.carbonio.config
"""

EXAMPLES = r"""
- name: Read an account as the backup has it
  restante.carbonio.config_info:
    level: account
    name: ann@example.com
    backup_path: /opt/zextras/restore
  register: before

- name: Read it as it is
  restante.carbonio.config_info:
    level: account
    name: ann@example.com
  register: after

- name: Show what differs
  ansible.builtin.debug:
    msg: "{{ before.attributes | dict2items | difference(after.attributes | dict2items) }}"
"""

RETURN = r"""
attributes:
  description: The attributes by name; a list where one has several values.
  returned: success
  type: dict
  sample: {"displayName": "Ann", "zimbraMailQuota": "0"}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import attributes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "level": {"type": "str", "required": True, "choices": ["account", "cos", "domain", "server", "global"]},
    "name": {"type": "str"},
    "show_inherited": {"type": "bool", "default": True},
    "backup_path": {"type": "path"},
}


def main() -> None:
    run(attributes.read, ARGUMENTS)


if __name__ == "__main__":
    main()
