#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: command_line
short_description: Install the restante command
description:
  - Puts the engine and its command line on the node as one executable file. It needs Python and the libraries, no
    Ansible.
  - The command takes the vendor's commands word for word, such as C(restante backup doSmartScan start).
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: N/A
options:
  path:
    description: Where the command is put. The directory is made where it is missing.
    type: path
    default: /usr/local/bin/restante
  mode:
    description: The mode of the file, in octal digits.
    type: str
    default: "0755"
  interpreter:
    description: The Python that runs the command; the one that runs this module by default.
    type: path
"""

EXAMPLES = r"""
- name: Install the command line
  restante.carbonio.command_line:
"""

RETURN = r"""
path:
  description: Where the command is.
  returned: success
  type: str
  sample: /usr/local/bin/restante
"""

from ansible_collections.restante.carbonio.plugins.module_utils.cli import wrapper
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "path": {"type": "path", "default": "/usr/local/bin/restante"},
    "mode": {"type": "str", "default": "0755"},
    "interpreter": {"type": "path"},
}


def main() -> None:
    run(wrapper.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
