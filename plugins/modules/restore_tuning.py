#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_tuning
short_description: Tune a node for an External Restore, and put everything back
description:
  - With O(state=tuned), notes how the Realtime Scanner, the redo log and the compression of the volumes are set, then
    sets them for a restore of much mail.
  - With O(state=original), puts back what was noted. Without a note, there is nothing to do.
  - The note is kept on the node, so what was tuned can be put back also after a restore that was killed.
  - Where the mail server is reached by IMAP, there are no volumes and no redo log, and the Realtime Scanner alone is
    tuned.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: partial
    details: The redo log is left as it is.
options:
  state:
    description: How the node is to be.
    type: str
    choices: [tuned, original]
    required: true
  realtime_scanner:
    description: Whether the Realtime Scanner is on while the node is tuned.
    type: bool
    default: false
  redo_log:
    description: Whether the redo log is written while the node is tuned.
    type: bool
    default: false
  compress:
    description: Whether the current primary volume compresses new blobs while the node is tuned.
    type: bool
    default: true
seealso:
  - module: restante.carbonio.external_restore
"""

EXAMPLES = r"""
- name: Restore with less on the disk
  block:
    - name: Tune the node
      restante.carbonio.restore_tuning:
        state: tuned

    - name: Restore
      restante.carbonio.external_restore:
        source_path: /opt/zextras/restore
  always:
    - name: Put everything back
      restante.carbonio.restore_tuning:
        state: original
"""

RETURN = r"""
tuning:
  description: How the node is set now; whether a volume compresses by its id.
  returned: success
  type: dict
  sample: {"realtime_scanner": false, "redo_log": false, "compressed": {"1": true}}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import tuning
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "state": {"type": "str", "choices": ["tuned", "original"], "required": True},
    "realtime_scanner": {"type": "bool", "default": False},
    "redo_log": {"type": "bool", "default": False},
    "compress": {"type": "bool", "default": True},
}


def main() -> None:
    run(tuning.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
