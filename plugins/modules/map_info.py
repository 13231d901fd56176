#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: map_info
short_description: Show what an External Restore has made of accounts, domains and lists
description:
  - Returns the rows of a map file, which an External Restore writes into the Backup Path of its destination.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: The rows are told in the vendor's own fields.
options:
  file_path:
    description: A file C(map_<server id>).
    type: path
    required: true
seealso:
  - module: restante.carbonio.external_restore
"""

EXAMPLES = r"""
- name: Which ids did the accounts get here
  restante.carbonio.map_info:
    file_path: /opt/zextras/backup/zextras/map_1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed
  register: restored
"""

RETURN = r"""
map:
  description: For each entry of the directory, its id in the backup and at the destination.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: account
      name: ann@example.com
      source_id: 5f2c
      destination_id: 5f2c
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"file_path": {"type": "path", "required": True}}


def main() -> None:
    run(lambda call: {"map": inspection.map_rows(call["file_path"])}, ARGUMENTS)


if __name__ == "__main__":
    main()
