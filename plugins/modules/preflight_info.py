#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Find what a node lacks for a piece of work
description:
  - Returns all that is missing at once, each in a sentence that says what to do, and touches nothing.
  - Run it as root where the directories are made by root, so that it can look everywhere.
  - It needs no library and no settings, so that it can be asked of a node that was just installed.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
options:
  service_user:
    description: Who the work is done as. Empty for the user that this runs as.
    type: str
    default: ""
  service_group:
    description: A group that has to be there. Empty for none.
    type: str
    default: ""
  libraries:
    description: What the Python of the node has to be able to import.
    type: list
    elements: str
    default: [boto3, zstandard]
  directories:
    description: Directories that are made where they are missing, and that the service user writes to.
    type: list
    elements: path
    default: []
  sources:
    description: Directories that have to be there, and that the service user reads.
    type: list
    elements: path
    default: []
  mounts:
    description: Where something has to be mounted.
    type: list
    elements: path
    default: []
  space:
    description:
      - How much room there has to be. What lies in a directory already counts as come, so that work which was
        interrupted can go on.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory, which may still be missing.
        type: path
        required: true
      bytes:
        description: What comes to lie there.
        type: int
        required: true
attributes:
  vendor_engine:
    support: N/A
seealso:
  - module: restante.carbonio.archive_info
"""

EXAMPLES = r"""
- name: See what this node lacks for a recovery
  restante.carbonio.preflight_info:
    service_user: zextras
    directories: [/opt/zextras/restore, /opt/zextras/cache]
    space:
      - path: /opt/zextras/restore
        bytes: 2000000000
  become: true
  register: preflight
"""

RETURN = r"""
missing:
  description: What is missing, in sentences; nothing where the work can begin.
  returned: success
  type: list
  elements: str
  sample: ["There is no user zextras. Install the mail server, or have the role service make the user."]
python:
  description: The Python that the modules run with on this node.
  returned: success
  type: str
  sample: /usr/bin/python3
python_version:
  description: Its version.
  returned: success
  type: str
  sample: 3.11.2
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import preflight
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "service_user": {"type": "str", "default": ""},
    "service_group": {"type": "str", "default": ""},
    "libraries": {"type": "list", "elements": "str", "default": ["boto3", "zstandard"]},
    "directories": {"type": "list", "elements": "path", "default": []},
    "sources": {"type": "list", "elements": "path", "default": []},
    "mounts": {"type": "list", "elements": "path", "default": []},
    "space": {"type": "list", "elements": "dict", "default": [], "options": {
        "path": {"type": "path", "required": True},
        "bytes": {"type": "int", "required": True},
    }},
}


def main() -> None:
    run(preflight.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
