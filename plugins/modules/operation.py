#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation
short_description: Stop an operation of a node, or wait for its end
description:
  - Stops one operation or all, and waits until they have ended.
  - An operation that runs finishes what it has in hand and leaves everything so that it can be run again.
    One that waits in the queue is removed.
  - An operation that has ended already is no error, and no change.
  - The configuration and the Realtime Scanner are not touched; M(restante.carbonio.realtime_scanner) stops the latter.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: full
    details: The vendor's operations are meant too.
options:
  operation_id:
    description: The operation that is meant.
    type: str
  all:
    description: Whether all operations are meant that run or wait.
    type: bool
    default: false
  state:
    description:
      - V(stopped) asks the operations to stop.
      - V(finished) only waits for their end, however it comes.
    type: str
    choices: [stopped, finished]
    default: stopped
  timeout:
    description:
      - How many seconds to wait for the end; the task fails when it has not come by then.
      - V(0) does not wait.
    type: int
    default: 300
seealso:
  - module: restante.carbonio.operation_info
"""

EXAMPLES = r"""
- name: Stop a restore; run again, it goes on where it was
  restante.carbonio.operation:
    operation_id: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55

- name: Stop what runs and empty the queues
  restante.carbonio.operation:
    all: true

- name: Wait up to a day for what runs
  restante.carbonio.operation:
    all: true
    state: finished
    timeout: 86400
"""

RETURN = r"""
operations:
  description: The operations that were meant, as they are now; with O(all) those that had not ended before.
  returned: success
  type: list
  elements: dict
  sample: [{"id": "0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55", "type": "SmartScan", "state": "stopped"}]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import operations
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "operation_id": {"type": "str"},
    "all": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["stopped", "finished"], "default": "stopped"},
    "timeout": {"type": "int", "default": 300},
}


def main() -> None:
    run(operations.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
