#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_retrieve
short_description: Bring the metadata of a lost node's backup from its archive
description:
  - Fetches commits and metadata of a backup from a bucket or a directory into O(destination), and verifies them.
  - The mail itself stays in the archive, where M(restante.carbonio.external_restore) reads it.
  - Running it again fetches only what is new.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.s3
  - restante.carbonio.attributes.bucket
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: partial
    details:
      - There is no O(source_type=backup_path), no O(server_id) and no O(witness), and for O(source_type=local) no
        O(volume_prefix).
      - A run always counts as a change.
      - O(secret) reaches the command on its standard input.
options:
  source_type:
    description:
      - V(s3) fetches from a bucket and V(local) from a directory that is an archive.
      - V(backup_path) copies a whole Backup Path, mail included, from a node that is decommissioned but still readable.
    type: str
    choices: [s3, local, backup_path]
    default: s3
  destination:
    description: The restore directory.
    type: path
    required: true
  source:
    description: The directory, for O(source_type=local) and O(source_type=backup_path).
    type: path
  bucket_configuration_id:
    description: The bucket configuration by its id or label, for O(source_type=s3).
    type: str
  volume_prefix:
    description: The folder before the server id that the lost node used.
    type: str
    default: ""
  server_id:
    description:
      - The id of the lost server. Needed only where the archive has the backups of several others than this one.
    type: str
    default: ""
  witness:
    description:
      - A file on the node that the uploads of the lost one have written, see
        O(restante.carbonio.backup_config#module:witness_path).
      - An archive that holds less than it held by then, or something else, is refused.
    type: path
  threads:
    description: Requests in flight.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: The node is lost, its bucket is not
  restante.carbonio.metadata_retrieve:
    destination: /opt/zextras/restore
    bucket_configuration_id: "{{ bucket.bucket_configuration_id }}"

- name: The node is decommissioned and its Backup Path is mounted here
  restante.carbonio.metadata_retrieve:
    source_type: backup_path
    source: /mnt/node-a/backup
    destination: /opt/zextras/restore
"""

RETURN = r"""
newest_commit:
  description: The number of the newest commit that is now in the restore directory.
  returned: when known
  type: int
  sample: 42
recovery_point:
  description: When that commit was made. What changed later on the lost node is not in the archive.
  returned: when known
  type: str
  sample: "2026-03-28T08:29:49.000Z"
report:
  description: What was fetched, and what could not be.
  returned: when not in check mode
  type: dict
  sample: {"commits": 42, "packs": 42, "bytes": 1200000, "damages": []}
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import retrieval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import (
    BUCKET,
    NOTIFICATIONS,
    OPERATION,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **BUCKET,
    **NOTIFICATIONS,
    **OPERATION,
    "source_type": {"type": "str", "choices": ["s3", "local", "backup_path"], "default": "s3"},
    "destination": {"type": "path", "required": True},
    "source": {"type": "path"},
    "bucket_configuration_id": {"type": "str"},
    "volume_prefix": {"type": "str", "default": ""},
    "server_id": {"type": "str", "default": ""},
    "witness": {"type": "path"},
    "threads": {"type": "int", "default": 10},
}


def main() -> None:
    run(
        retrieval.answer,
        ARGUMENTS,
        required_if=[("source_type", "local", ["source"]), ("source_type", "backup_path", ["source"])],
        mutually_exclusive=[("bucket_configuration_id", "bucket_name")],
        required_together=[("access_key", "secret")],
    )


if __name__ == "__main__":
    main()
