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
seealso:
  - module: restante.carbonio.bucket
"""

EXAMPLES = r"""
- name: Archive the backup in a bucket
  restante.carbonio.backup_volume:
    type: s3
    bucket_configuration_id: "{{ bucket.bucket_configuration_id }}"
"""

RETURN = r"""
backup_volume:
  description: The backup volume as it is now.
  returned: success
  type: dict
  sample: {"type": "s3", "bucket_configuration_id": "5a0bd4ff-9a1b-4a6e-9f0c-2b7a6d9f2f10"}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import configuration
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "type": {"type": "str", "choices": ["default", "local", "s3"], "required": True},
    "path": {"type": "path"},
    "bucket_configuration_id": {"type": "str"},
    "volume_prefix": {"type": "str", "default": ""},
}


def main() -> None:
    run(
        configuration.choose_volume,
        ARGUMENTS,
        required_if=[("type", "local", ["path"]), ("type", "s3", ["bucket_configuration_id"])],
    )


if __name__ == "__main__":
    main()
