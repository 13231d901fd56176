#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: master_key
short_description: Put an encrypted backup under another master key
description:
  - Wraps the keys of the node's backup with another master key, here and in its archive, and names that one in the
    settings. The settings must still name the former one.
  - Nothing else is written anew, so it takes a moment, however large the backup is.
  - Whoever has both the former master key and a former keyring can still open what was encrypted with the keys in it.
    Where that is to be feared, begin a new backup.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
  - restante.carbonio.attributes.operation
attributes:
  vendor_engine:
    support: none
options:
  encryption_key_file:
    description: The file with the new master key, readable by the service user alone.
    type: path
  encryption_key_variable:
    description: The environment variable with the new master key.
    type: str
  encryption_key_command:
    description: The command that prints the new master key.
    type: str
seealso:
  - module: restante.carbonio.backup_config
  - module: restante.carbonio.account_forget
"""

EXAMPLES = r"""
- name: Put the new key beside the old one
  ansible.builtin.copy:
    content: "{{ vault_new_master_key }}"
    dest: /etc/restante/master-2027.key
    owner: zextras
    group: zextras
    mode: "0600"
  no_log: true

- name: Go over to it
  restante.carbonio.master_key:
    encryption_key_file: /etc/restante/master-2027.key
"""

RETURN = r"""
operation_id:
  description: The id of the operation.
  returned: when something was done
  type: str
  sample: 2f1d9f1e-5ad5-4a58-8f4b-0a3d0f2b8d11
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import encryption
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

# The names of places, and no secrets: where the key is to be had.
SOURCES = {
    "encryption_key_file": {"type": "path", "no_log": False},
    "encryption_key_variable": {"type": "str", "no_log": False},
    "encryption_key_command": {"type": "str", "no_log": False},
}
ONE = tuple(SOURCES)


def main() -> None:
    run(encryption.answer_change, {**OPERATION, **SOURCES}, required_one_of=[ONE], mutually_exclusive=[ONE])


if __name__ == "__main__":
    main()
