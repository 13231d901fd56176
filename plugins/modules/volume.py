#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Manage a volume of the mail store
description:
  - Creates, changes or deletes a volume, where the mail store keeps the content of items.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: partial
    details: Properties that carbonio does not list are left as they are.
options:
  name:
    description: The name of the volume; case matters.
    type: str
    required: true
  state:
    description: V(absent) deletes a volume that is empty and not current.
    type: str
    choices: [present, absent]
    default: present
  volume_type:
    description: Defaults to V(primary) for a new volume.
    type: str
    choices: [primary, secondary]
  path:
    description: The directory of the volume; required for a new one.
    type: path
  compressed:
    description: Whether new blobs are compressed. Defaults to V(false) for a new volume.
    type: bool
  compression_threshold:
    description: Blobs with fewer bytes are never compressed. Defaults to V(4096) for a new volume.
    type: int
  current:
    description: Whether new blobs go to this volume; the one that was current so far is no longer.
    type: bool
seealso:
  - module: restante.carbonio.volume_info
"""

EXAMPLES = r"""
- name: Compress what an import writes
  restante.carbonio.volume:
    name: message1
    compressed: true

- name: Go on with a new volume that is not compressed
  restante.carbonio.volume:
    name: message2
    path: /opt/zextras/store2
    current: true
"""

RETURN = r"""
volume:
  description: The volume as it is now; empty when it was deleted.
  returned: success
  type: dict
  sample: {"name": "message1", "volume_type": "primary", "compressed": true, "current": true}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import volumes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "volume_type": {"type": "str", "choices": ["primary", "secondary"]},
    "path": {"type": "path"},
    "compressed": {"type": "bool"},
    "compression_threshold": {"type": "int"},
    "current": {"type": "bool"},
}


def main() -> None:
    run(volumes.ensure, ARGUMENTS)


if __name__ == "__main__":
    main()
