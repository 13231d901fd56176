#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: blob_restore
short_description: Put back the content that a volume has lost
description:
  - Finds the blobs that the items of a volume name and whose file is not there, or is empty, and puts them back from a
    backup, where the items look for them. Nothing else of the items changes.
  - In check mode, what is lost is listed with whether the backup has it, as the vendor's C(doRestoreBlobs) does unless
    told otherwise.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
attributes:
  vendor_engine:
    support: partial
    details: The report counts items, and not by kind. There is no O(volume_prefix).
options:
  volume:
    description: The volume, by its id or its name; case matters.
    type: str
    required: true
  backup_path:
    description: The backup to take the content from; that of this node by default.
    type: path
  blobs_archive:
    description:
      - The id or label of the bucket configuration of the bucket that holds the content of the backup.
      - By default it is read from the directory of the backup.
    type: str
  volume_prefix:
    description: The prefix of the backup that wrote to O(blobs_archive).
    type: str
    default: ''
  threads:
    description: How many requests to the bucket are in flight at the same time.
    type: int
    default: 4
  compressed:
    description: Whether to compress what is written; as the volume says by default.
    type: bool
  fail_on_unrestored:
    description: Fail the task, after all that is possible was done, when something could not be restored.
    type: bool
    default: false
seealso:
  - module: restante.carbonio.volume_info
"""

EXAMPLES = r"""
- name: See what a volume has lost
  restante.carbonio.blob_restore:
    volume: message1
  check_mode: true

- name: Put it back from the bucket
  restante.carbonio.blob_restore:
    volume: message1
    blobs_archive: backup
"""

RETURN = r"""
plan:
  description: The lost blobs, each with its item and with whether the backup has it.
  returned: in check mode
  type: list
  elements: dict
  sample: [{"account": "ann@example.com", "item_id": "257", "kind": "message", "restorable": true}]
restored:
  description: How many were put back, by the kind of their item.
  returned: when not in check mode
  type: dict
  sample: {"message": 3}
already_there:
  description: How many had come back meanwhile, or had lost their item.
  returned: when not in check mode
  type: dict
  sample: {}
unrestored_items:
  description: What could not be restored, and why.
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
  sample: "- stats -\nRestored Items: 3\n"
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import blob_restore
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "volume": {"type": "str", "required": True},
    "backup_path": {"type": "path"},
    "blobs_archive": {"type": "str"},
    "volume_prefix": {"type": "str", "default": ""},
    "threads": {"type": "int", "default": blob_restore.THREADS},
    "compressed": {"type": "bool"},
    "fail_on_unrestored": {"type": "bool", "default": False},
    **OPERATION,
}


def main() -> None:
    run(blob_restore.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
