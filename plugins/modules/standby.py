#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: standby
short_description: Keep a node as the warm standby of another, or promote it
description:
  - A standby follows the commits of a primary in its archive, and keeps its own mail store as the primary's is,
    deletions and moves included.
  - Promoted, it follows what the archive has once more and then never again.
  - It begins with an empty mail store, and deletes nothing that it has not made itself.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
  - restante.carbonio.attributes.operation
options:
  state:
    description:
      - V(following) makes the node a standby, and has it follow.
      - V(stopped) has it follow no more until it is told to again.
      - V(promoted) makes it a primary. This cannot be undone.
    type: str
    choices: [following, stopped, promoted]
    default: following
  service:
    description:
      - Whether it is followed by a service that goes on, for O(state=following). It runs as a systemd unit where the
        role P(restante.carbonio.service#role) has installed one, and as a background process otherwise.
      - With V(false) this module itself follows until nothing is new, and ends.
    type: bool
    default: true
  source_type:
    description: Where the primary's commits are, V(s3) in a bucket or V(local) in a directory.
    type: str
    choices: [s3, local]
    default: s3
  source:
    description: The directory, for O(source_type=local). It is an archive, or the primary's Backup Path mounted here.
    type: path
  bucket_configuration_id:
    description: The bucket configuration by its id or label, for O(source_type=s3).
    type: str
  volume_prefix:
    description: The folder before the server id that the primary uses.
    type: str
    default: ""
  server_id:
    description: The id of the primary. Needed only where the archive has the backups of several others than this node.
    type: str
    default: ""
  witness:
    description:
      - A file on the node that the uploads of the primary have written, see
        O(restante.carbonio.backup_config#module:witness_path).
    type: path
  metadata_path:
    description: The directory that the primary's metadata is kept in. One below the state path by default.
    type: path
  last_round:
    description:
      - Whether what the archive has is followed once more, for O(state=promoted). An archive that cannot be reached
        does not keep it from being promoted.
    type: bool
    default: true
  timeout:
    description: Seconds that this may take at most, for O(state=promoted).
    type: int
    default: 600
attributes:
  vendor_engine:
    support: none
seealso:
  - module: restante.carbonio.standby_info
  - module: restante.carbonio.bucket
"""

EXAMPLES = r"""
- name: Follow the primary
  restante.carbonio.standby:
    bucket_configuration_id: "{{ bucket.bucket_configuration_id }}"
    server_id: 7c7d2c1e-6f0e-4a9e-8c0f-6e2a1a2f7a55

- name: The primary is lost
  restante.carbonio.standby:
    state: promoted
  register: promotion
"""

RETURN = r"""
status:
  description: How far the standby is, see M(restante.carbonio.standby_info).
  returned: success
  type: dict
  sample: {"state": "following", "lag_seconds": 0.0}
promotion:
  description: What the promotion came to; when it was promoted before, what that came to.
  returned: for O(state=promoted), when not in check mode
  type: dict
  contains:
    promoted:
      description: When it was.
      type: str
      sample: "2026-03-28T08:29:49.000Z"
    recovery_point:
      description: When the commit was made that is applied. What changed later at the primary is not here.
      type: str
      sample: "2026-03-28T08:29:45.000Z"
    applied_commit:
      description: Its number.
      type: int
      sample: 42
    lost_commits:
      description: How many commits are known to be in the archive that could not be applied.
      type: int
      sample: 0
    lost_seconds:
      description: The time between them.
      type: float
      sample: 0.0
    silent_seconds:
      description: For how long the primary had committed nothing when the promotion began. What it did then is lost.
      type: float
      sample: 4.2
    seconds:
      description: How long the promotion took.
      type: float
      sample: 0.9
    failures:
      description: How much could not be applied; M(restante.carbonio.standby_info) names it.
      type: int
      sample: 0
    error:
      description: Why the archive could not be followed once more; empty where it could.
      type: str
      sample: ""
operation_id:
  description: The id of the operation.
  returned: when this module followed by itself, or promoted
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import standby
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **OPERATION,
    "state": {"type": "str", "choices": ["following", "stopped", "promoted"], "default": "following"},
    "service": {"type": "bool", "default": True},
    "source_type": {"type": "str", "choices": ["s3", "local"], "default": "s3"},
    "source": {"type": "path"},
    "bucket_configuration_id": {"type": "str"},
    "volume_prefix": {"type": "str", "default": ""},
    "server_id": {"type": "str", "default": ""},
    "witness": {"type": "path"},
    "metadata_path": {"type": "path"},
    "last_round": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 600},
}


def main() -> None:
    run(standby.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
