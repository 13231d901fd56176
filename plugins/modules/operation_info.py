#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_info
short_description: Read the operations of a node
description:
  - Returns running, queued and past operations with their phase, progress and result.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: full
    details: The vendor's operations are shown too, each with C(engine) V(carbonio) and what it tells of itself.
options:
  operation_id:
    description: Return this operation only.
    type: str
  state:
    description: Return operations in these states only; all where it is empty.
    type: list
    elements: str
    choices: [queued, running, successful, failed, stopped, removed, interrupted]
    default: []
"""

EXAMPLES = r"""
- name: See what the node is doing
  restante.carbonio.operation_info:
    state: [queued, running]
  register: operations
"""

RETURN = r"""
operations:
  description: The operations, in the order of submission.
  returned: success
  type: list
  elements: dict
  sample: [{"id": "0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55", "type": "SmartScan", "state": "successful"}]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import operations
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

STATES = ["queued", "running", "successful", "failed", "stopped", "removed", "interrupted"]
ARGUMENTS = {
    "operation_id": {"type": "str"},
    "state": {"type": "list", "elements": "str", "choices": STATES, "default": []},
}


def main() -> None:
    run(
        lambda call: {"operations": operations.shown(call.node(), call["operation_id"], call["state"])}, ARGUMENTS
    )


if __name__ == "__main__":
    main()
