#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: share_check_info
short_description: List the broken shares of a mail server
description:
  - Looks through the grants of all folders, the mountpoints and the contact groups of all accounts, and lists those
    that name somebody or something that is not there, or that is not shared with them.
  - M(restante.carbonio.share_fix) mends what an import has broken.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: The problems are told in the vendor's own fields.
seealso:
  - module: restante.carbonio.share_fix
"""

EXAMPLES = r"""
- name: Look for broken shares
  restante.carbonio.share_check_info:
  register: shares
"""

RETURN = r"""
problems:
  description: The broken shares.
  returned: success
  type: list
  elements: dict
  sample:
    - account: ann@example.com
      item_id: "301"
      kind: mountpoint
      name: Projects
      problem: It leads to ben@example.com, under an id that is not here.
      repaired: false
accounts:
  description: How many accounts have broken shares.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import share_repair
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run


def main() -> None:
    run(lambda call: share_repair.check(call.node()))


if __name__ == "__main__":
    main()
