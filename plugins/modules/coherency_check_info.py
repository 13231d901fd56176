#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: coherency_check_info
short_description: Read what the last coherency check of a backup has found
description:
  - Returns when the last coherency check of this node was, how much it looked at, since when everything was looked at,
    and what was damaged.
  - It reads what that check has written down, and verifies nothing itself.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: none
options:
  backup_path:
    description: Another Backup Path than the node's own.
    type: path
seealso:
  - module: restante.carbonio.coherency_check
"""

EXAMPLES = r"""
- name: Read what the last check has found
  restante.carbonio.coherency_check_info:
  register: last

- name: Have a check every three months
  ansible.builtin.assert:
    that: last.check.checked and last.check.age_seconds < 92 * 86400
"""

RETURN = r"""
check:
  description: The last check.
  returned: success
  type: dict
  contains:
    checked:
      description: Whether there was any.
      type: bool
    checked_at:
      description: When it ended; empty if there was none.
      type: str
    age_seconds:
      description: How long ago that is.
      type: int
    report:
      description: What it found, as M(restante.carbonio.coherency_check) returned it; empty if there was none.
      type: dict
  sample: {"checked": true, "checked_at": "2026-03-01T04:12:09.000Z", "age_seconds": 7200, "report": {"faults": 0}}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import coherency
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"backup_path": {"type": "path"}}


def main() -> None:
    run(coherency.read, ARGUMENTS)


if __name__ == "__main__":
    main()
