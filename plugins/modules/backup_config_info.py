#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_config_info
short_description: Read the backup settings of a node
description:
  - Returns the settings that M(restante.carbonio.backup_config) keeps, without secrets.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: N/A
seealso:
  - module: restante.carbonio.backup_config
"""

EXAMPLES = r"""
- name: Read the settings
  restante.carbonio.backup_config_info:
  register: config
"""

RETURN = r"""
settings:
  description: The settings, without secrets.
  returned: success
  type: dict
  sample: {"backup_path": "/opt/zextras/backup/zextras", "realtime_scanner": true}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run


def main() -> None:
    run(lambda call: {"settings": call.node().settings.public()})


if __name__ == "__main__":
    main()
