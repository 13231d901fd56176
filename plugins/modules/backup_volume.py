#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_volume
short_description: Choose where the backup of a node is archived
description:
  - Sets where the files of the Backup Path are copied to as they are written. A lost node is recovered from there.
  - The Backup Path itself always stays on the node.
  - A new volume is probed. One that lets two writers overwrite each other, or belongs to another server, is refused.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
  - restante.carbonio.attributes.s3
  - restante.carbonio.attributes.operation
attributes:
  vendor_engine:
    support: partial
    details:
      - The volume that was set last by this module, and the bucket that carbonio says is used, are compared with what
        is wanted.
options:
  type:
    description:
      - V(default) copies the backup nowhere, V(local) to another directory, V(s3) to a bucket.
    type: str
    choices: [default, local, s3]
    required: true
  path:
    description: The directory, for O(type=local). It has to be there.
    type: path
  bucket_configuration_id:
    description: The bucket configuration by its id or label, for O(type=s3).
    type: str
  volume_prefix:
    description: A folder in the bucket that comes before the server id.
    type: str
    default: ""
  migrate:
    description:
      - Copy all that the backup holds to the new volume before it is used, as the vendor's C(migrateBackupVolume) does.
        Until then the former one is used. What is in that one is left; remove it by hand.
      - Otherwise the next scan copies what the new volume does not have.
    type: bool
    default: false
  threads:
    description: How many files are on their way at once, for O(migrate).
    type: int
    default: 10
  notifications:
    description: Further addresses to notify of the end of a migration.
    type: list
    elements: str
    default: []
seealso:
  - module: restante.carbonio.bucket
"""

EXAMPLES = r"""
- name: Archive the backup in a bucket
  restante.carbonio.backup_volume:
    type: s3
    bucket_configuration_id: "{{ bucket.bucket_configuration_id }}"

- name: Move the archive to another bucket
  restante.carbonio.backup_volume:
    type: s3
    bucket_configuration_id: new
    migrate: true
"""

RETURN = r"""
backup_volume:
  description: The backup volume as it is now.
  returned: success
  type: dict
  sample: {"type": "s3", "bucket_configuration_id": "5a0bd4ff-9a1b-4a6e-9f0c-2b7a6d9f2f10"}
upload:
  description: What a migration has copied.
  returned: when the volume was migrated
  type: dict
  sample: {"commits": 3, "packs": 5, "bytes": 91237, "newest": 3}
operation_id:
  description: The id of the operation.
  returned: when the volume was migrated
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import migration
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "type": {"type": "str", "choices": ["default", "local", "s3"], "required": True},
    "path": {"type": "path"},
    "bucket_configuration_id": {"type": "str"},
    "volume_prefix": {"type": "str", "default": ""},
    "migrate": {"type": "bool", "default": False},
    "threads": {"type": "int", "default": migration.THREADS},
    **NOTIFICATIONS,
    **OPERATION,
}


def main() -> None:
    run(
        migration.answer,
        ARGUMENTS,
        required_if=[("type", "local", ["path"]), ("type", "s3", ["bucket_configuration_id"])],
    )


if __name__ == "__main__":
    main()
