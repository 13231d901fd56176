#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: share_fix
short_description: Mend shares after an import
description:
  - Gives the grants of folders, the mountpoints and the contact groups of all accounts the ids that an import has
    brought, where they still name those of its source. What the import does not know is looked up by the name or the
    path beside the id.
  - Needed where accounts that share something came in with different runs, or from different nodes.
  - What points to something that is there is left alone. What cannot be mended is reported.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
attributes:
  vendor_engine:
    support: partial
    details: A run counts as a change. What was mended is told in the vendor's notification.
options:
  import_idmap_file:
    description: The map of the import, a file C(map_<server id>) of a Backup Path.
    type: path
    required: true
seealso:
  - module: restante.carbonio.external_restore
  - module: restante.carbonio.share_check_info
"""

EXAMPLES = r"""
- name: Mend the shares between accounts that were imported one after the other
  restante.carbonio.share_fix:
    import_idmap_file: /opt/zextras/backup/zextras/map_7a2f6c1e-3b0d-4a86-9a51-0d6a4f8e9c11
"""

RETURN = r"""
problems:
  description: The broken shares, each with whether it is mended.
  returned: success
  type: list
  elements: dict
  sample:
    - account: ann@example.com
      item_id: "301"
      kind: mountpoint
      name: Projects
      problem: It leads to ben@example.com, under an id that is not here.
      repaired: true
accounts:
  description: How many accounts had broken shares.
  returned: success
  type: int
  sample: 1
restored:
  description: How many items were mended, by kind.
  returned: when not in check mode
  type: dict
  sample: {"mountpoint": 1}
unrestored_items:
  description: What could not be mended, and why.
  returned: when not in check mode
  type: list
  elements: dict
  sample: []
not_held:
  description: What restored items had and the mail server cannot hold, by kind and what it is, each with its count.
  returned: when not in check mode
  type: dict
  sample: {"message": {"flag s": 47}}
stats:
  description: The report as text.
  returned: when not in check mode
  type: str
  sample: "- stats -\nRestored Items: 1\n"
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import share_repair
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"import_idmap_file": {"type": "path", "required": True}, **OPERATION}


def main() -> None:
    run(share_repair.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
