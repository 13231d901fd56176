#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: account_forget
short_description: Forget deleted accounts by destroying their keys
description:
  - Destroys the keys of accounts in an encrypted backup, here and in its archive. All that the backup holds of them, of
    every moment, can then be read by nobody, whatever copies of the packs there are.
  - Messages that other accounts have received too stay readable for those.
  - Accounts that are still there, or on legal hold, are refused. Accounts that are forgotten already change nothing.
  - An archive whose objects are locked keeps the former keyring until the lock ends; that is returned as a warning.
  - This cannot be undone. What it leaves, such as addresses in the journals of others, is in the collection's
    C(docs/encryption.md).
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: none
options:
  accounts:
    description: The accounts, by the address that they had, or by id.
    type: list
    elements: str
    required: true
seealso:
  - module: restante.carbonio.legal_hold
  - module: restante.carbonio.purge
  - module: restante.carbonio.master_key
"""

EXAMPLES = r"""
- name: Forget who has asked for it
  restante.carbonio.account_forget:
    accounts: [former.user@example.com]
"""

RETURN = r"""
accounts:
  description: The accounts that were forgotten now; in check mode, that would be.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The address that it had; empty where a run that was killed had forgotten it half.
      type: str
    id:
      description: The id.
      type: str
  sample: [{"name": "former.user@example.com", "id": "4a217bb3-0c41-4a6c-b3a0-6bd2cd0c8f3a"}]
operation_id:
  description: The id of the operation.
  returned: when something was done
  type: str
  sample: 2f1d9f1e-5ad5-4a58-8f4b-0a3d0f2b8d11
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import encryption
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **NOTIFICATIONS,
    **OPERATION,
    "accounts": {"type": "list", "elements": "str", "required": True},
}


def main() -> None:
    run(encryption.answer_forget, ARGUMENTS)


if __name__ == "__main__":
    main()
