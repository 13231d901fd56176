#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: List the volumes of the mail store
description:
  - Returns the volumes of the mail store, and whether its redo log is on.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: RV(redo_log) is not told, and of a volume what carbonio lists.
seealso:
  - module: restante.carbonio.volume
  - module: restante.carbonio.redo_log
"""

EXAMPLES = r"""
- name: List the volumes
  restante.carbonio.volume_info:
  register: volumes
"""

RETURN = r"""
volumes:
  description: All volumes, primary before secondary.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "message1", "volume_type": "primary", "compressed": false, "current": true}]
redo_log:
  description: Whether the redo log is on.
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import volumes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run


def main() -> None:
    run(lambda call: volumes.info(call.node()))


if __name__ == "__main__":
    main()
