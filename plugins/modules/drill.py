#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Rehearse the recovery of a node from its real backup, and leave the evidence
description:
  - Restores the backup of this node, whole or a random sample of it, into a scratch mail store, and compares every item
    with the backup, every content hashed anew.
  - The scratch store is made for the drill, sends nothing and serves nobody, and is removed afterwards. The mail server
    of the node, its Backup Path and its restore records are not touched.
  - Leaves a report as one page of HTML, as JSON, JUnit XML and Prometheus text, with a signed manifest of its files,
    and remembers the drill for the trend of later ones. A drill that fails, or cannot go on, leaves a report as well.
  - A drill changes something every time, its report; O(due_after_days) leaves out those that are not due.
  - In check mode it says what it would do, and touches nothing.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.s3
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
options:
  source:
    description:
      - V(archive) restores from the bucket or directory that the node archives its backup in, as after the loss of the
        node; V(backup_path) from its Backup Path.
      - By default the archive, where the node has one, and the Backup Path otherwise.
    type: str
    choices: [archive, backup_path]
  source_path:
    description: Another Backup Path than the node's own; with O(source=archive), another directory that is an archive.
    type: path
  bucket_configuration_id:
    description: Another bucket than the node's own, by the id or label of its configuration.
    type: str
  volume_prefix:
    description: The folder in O(bucket_configuration_id) before the server id.
    type: str
    default: ""
  server_id:
    description: The server, where the archive has the backups of several and this node's own is not meant.
    type: str
    default: ""
  witness:
    description:
      - A file on the node that uploads have written, see O(restante.carbonio.backup_config#module:witness_path). An
        archive that holds less than it held by then, or something else, fails the drill.
      - What the node's own uploads have noted in its Backup Path is looked at in any case.
    type: path
  sample:
    description: Restore so many accounts only, a number or a percentage, chosen at random.
    type: str
    default: ""
  seed:
    description:
      - What the sample is drawn with, any text. The same seed draws the same accounts.
      - By default a new one each time, which the report tells.
    type: str
    default: ""
  rpo_target:
    description:
      - How old the recovery point may be, such as V(15m) or V(24h). An older one fails the drill.
      - Without it, the age is told and not judged.
    type: str
    default: ""
  rto_target:
    description: How long the recovery may take, likewise.
    type: str
    default: ""
  declared:
    description:
      - When the loss was declared, in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss); RPO and RTO are counted from then.
      - By default when the drill begins.
    type: str
    default: ""
  report_path:
    description:
      - The directory that gets a directory with the report.
      - By default C(drills/reports) in the state path of the node.
    type: path
  scratch_path:
    description:
      - The directory in which the scratch store is made. It needs the room that the mail has.
      - By default C(drills) in the cache path of the node.
    type: path
  keep:
    description: Leave the scratch store where it is.
    type: bool
    default: false
  signing_key:
    description:
      - The private key of Ed25519, PEM, that the report is signed with. It is made where there is none.
      - By default C(drills/signing.key) in the state path of the node. Its public half is beside it.
    type: path
  metrics_path:
    description: A file that gets the metrics of the node as Prometheus text, for the textfile collector.
    type: path
  concurrent_accounts:
    description: How many accounts are restored at the same time.
    type: int
    default: 1
  due_after_days:
    description:
      - Do nothing where the last drill passed with the same configuration and is younger than this.
      - V(0) for a drill in any case.
    type: int
    default: 0
  reports_keep:
    description:
      - Remove the reports of older drills of this node when there are more than so many. That of the newest drill that
        has passed stays in any case, and so does what somebody has put beside a report.
      - V(0) for none of them. A removed report is remembered all the same, see M(restante.carbonio.drill_info).
    type: int
    default: 0
    version_added: 1.1.0
  fail_on_failure:
    description: Fail the task, after the report was written, when the drill has failed.
    type: bool
    default: true
requirements:
  - cryptography, for the signature
attributes:
  vendor_engine:
    support: none
seealso:
  - module: restante.carbonio.drill_info
  - module: restante.carbonio.restore_verify_info
"""

EXAMPLES = r"""
- name: Prove that everything comes back, within what was promised
  restante.carbonio.drill:
    rpo_target: 1h
    rto_target: 8h
    metrics_path: /var/lib/prometheus/node-exporter/restante.prom

- name: Try a tenth of the accounts, other ones each time, unless that was done this week
  restante.carbonio.drill:
    sample: 10%
    due_after_days: 7
  register: drill

- name: Fetch the report to where auditors look
  ansible.posix.synchronize:
    mode: pull
    src: "{{ drill.report_path }}/"
    dest: "/srv/evidence/{{ inventory_hostname }}/"
"""

RETURN = r"""
passed:
  description: Whether everything came back within the targets. True as well where a drill is not due.
  returned: when not in check mode
  type: bool
  sample: true
reasons:
  description: Why the drill has failed, as sentences.
  returned: when not in check mode
  type: list
  elements: str
  sample: []
report_path:
  description: The directory of the report, on the node.
  returned: when not in check mode
  type: str
  sample: /var/lib/restante/drills/reports/20260328T083000Z-0c6b4d58
drill:
  description: The drill in a few numbers, as it is remembered.
  returned: when not in check mode
  type: dict
  sample: {"rpo_seconds": 41.2, "rto_seconds": 512.0, "expected": 21044, "verified": 21044, "unrestored": 0}
stats:
  description: The drill as text.
  returned: when a drill was done
  type: str
  sample: "The drill of mail1 has passed.\nVerified Items: 21044 of 21044\n"
operation_id:
  description: The id of the operation.
  returned: when a drill was done
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
plan:
  description: What would be done.
  returned: in check mode, when a drill is due
  type: list
  elements: str
  sample: ["restore commit 42 of bucket backup at https://s3.example.com", "compare every item with the backup"]
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import drill
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **NOTIFICATIONS,
    **OPERATION,
    "source": {"type": "str", "choices": ["archive", "backup_path"]},
    "source_path": {"type": "path"},
    "bucket_configuration_id": {"type": "str"},
    "volume_prefix": {"type": "str", "default": ""},
    "server_id": {"type": "str", "default": ""},
    "witness": {"type": "path"},
    "sample": {"type": "str", "default": ""},
    "seed": {"type": "str", "default": ""},
    "rpo_target": {"type": "str", "default": ""},
    "rto_target": {"type": "str", "default": ""},
    "declared": {"type": "str", "default": ""},
    "report_path": {"type": "path"},
    "scratch_path": {"type": "path"},
    "keep": {"type": "bool", "default": False},
    "signing_key": {"type": "path", "no_log": False},
    "metrics_path": {"type": "path"},
    "concurrent_accounts": {"type": "int", "default": 1},
    "due_after_days": {"type": "int", "default": 0},
    "reports_keep": {"type": "int", "default": 0},
    "fail_on_failure": {"type": "bool", "default": True},
}


def main() -> None:
    run(drill.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
