#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Describe a backup
description:
  - Returns what a Backup Path, or a directory that metadata was retrieved into, holds, and what of it is damaged.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: What the backup holds is told in the vendor's own fields.
options:
  backup_path:
    description: The directory to describe; the node's own Backup Path by default.
    type: path
"""

EXAMPLES = r"""
- name: Describe what was retrieved from the bucket
  restante.carbonio.backup_info:
    backup_path: /opt/zextras/restore
  register: backup
"""

RETURN = r"""
backup:
  description: What the backup holds.
  returned: success
  type: dict
  sample:
    initialised: true
    encrypted: true
    forgotten_accounts: []
    commit: 42
    last_commit: "2026-03-28T08:29:49.000Z"
    damages: []
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"backup_path": {"type": "path"}}


def main() -> None:
    run(lambda call: {"backup": backups.info(call.node(), call["backup_path"] or "")}, ARGUMENTS)


if __name__ == "__main__":
    main()
