#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redo_log
short_description: Switch the redo log of the mail store
description:
  - The redo log has every change on disk before the mail store makes it. Imports are faster without it.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: none
options:
  enabled:
    description: Whether the redo log is written.
    type: bool
    required: true
seealso:
  - module: restante.carbonio.volume_info
"""

EXAMPLES = r"""
- name: Import faster
  restante.carbonio.redo_log:
    enabled: false
"""

RETURN = r"""
enabled:
  description: Whether the redo log is on now.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import volumes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"enabled": {"type": "bool", "required": True}}


def main() -> None:
    run(volumes.switch_redo_log, ARGUMENTS)


if __name__ == "__main__":
    main()
