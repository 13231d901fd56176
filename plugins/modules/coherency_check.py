#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: coherency_check
short_description: Verify everything in a backup, and put right what is damaged
description:
  - Reads all commits and metadata and every content of a backup and verifies each byte of them; whether the contents
    that metadata refers to are there; whether the catalogue says what the files say; and whether the archive has all
    that its commits name.
  - Tells what is damaged, and the items that this concerns, by account, item and moment.
  - With O(fix=true) it fetches from the archive what is damaged here, sends what the archive lacks, and takes out of
    the backup what neither side has, after everything that can be saved from it was written anew. What is damaged is
    kept in the directory C(quarantine) of the Backup Path. The next SmartScan stores again what the mail server still
    has.
  - It may be stopped or killed at any moment and run again. What was found whole is remembered, and what was not looked
    at for longest comes first, so that checks with O(max_minutes) get round everything in time.
  - It runs beside SmartScans and the Realtime Scanner, which wait for moments only where something is written anew.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: partial
    details:
      - What the check has found is told in the vendor's notification.
      - There is no O(archive=contents) and no O(max_minutes).
options:
  backup_path:
    description:
      - Another Backup Path than the node's own, or a directory that a backup was retrieved into. It has no archive that
        is known here.
    type: path
  accounts:
    description:
      - Verify only the contents of these accounts, by address or id. Metadata is verified wholly in any case.
    type: list
    elements: str
    default: []
  fix:
    description:
      - Put right what is damaged, and send to the archive the commits that it does not have yet. Without it nothing is
        changed.
    type: bool
    default: false
  archive:
    description:
      - How much of the archive is looked at.
      - V(names) compares names and sizes by listings, V(contents) reads and verifies every file there, V(none) leaves
        the archive out. What O(fix=true) fetches is verified in any case.
    type: str
    choices: [none, names, contents]
    default: names
  max_minutes:
    description:
      - Read contents for so many minutes; commits and metadata are read before and do not count. With V(0) all is read.
    type: int
    default: 0
  compare_mailboxes:
    description:
      - Also compare what the backup says with what the mail server holds, item by item. What differs is no damage; it
        is counted, and told with warnings.
    type: bool
    default: false
  double_compressed:
    description:
      - What to do about contents that the mail server gave as it had compressed them for itself. V(check) tells which
        items have such a content, V(fix) also gives each of them a state with the unpacked content.
    type: str
    choices: [skip, check, fix]
    default: skip
  fail_on_damage:
    description:
      - Fail the task, and count the operation as failed, when damages are left. See
        M(restante.carbonio.coherency_check_info) for all of them.
      - Contents that an earlier check has found to be lost on both sides are told with a warning.
    type: bool
    default: true
seealso:
  - module: restante.carbonio.coherency_check_info
  - module: restante.carbonio.smartscan
  - module: restante.carbonio.purge
"""

EXAMPLES = r"""
- name: Verify for two hours, beginning with what was not looked at for longest
  restante.carbonio.coherency_check:
    max_minutes: 120

- name: Show what would be put right
  restante.carbonio.coherency_check:
    fix: true
  check_mode: true
  diff: true

- name: Put right what is damaged, here and in the archive
  restante.carbonio.coherency_check:
    fix: true
    archive: contents
  register: check

- name: Store again what the mail server still has
  restante.carbonio.smartscan:
  when: check is changed
"""

RETURN = r"""
coherent:
  description: Whether no damage is left.
  returned: success
  type: bool
  sample: true
report:
  description:
    - How much was looked at, RV(report.damages) with side, file, reason and consequence of each, and RV(report.lost)
      with the states of items whose content cannot be read; a thousand of each at most, all are counted.
    - RV(report.all_checked_since) is the moment since when everything was looked at; empty if something never was.
    - RV(report.mended) tells what was put right.
  returned: success
  type: dict
  contains:
    damages:
      description: What is damaged; with O(fix=true) what is left of it.
      type: list
      elements: dict
    lost:
      description: States of items whose content cannot be read.
      type: list
      elements: dict
    all_checked_since:
      description: Since when everything was looked at.
      type: str
    mended:
      description: What was put right, in numbers, and the files that are in quarantine.
      type: dict
  sample: {"commits": 812, "checked_parts": 40, "parts": 40, "faults": 0, "lost_contents": 0}
stats:
  description: The report as text.
  returned: success
  type: str
  sample: "Commits: 812\nMetadata packs: 14\nDamages: 0\n"
plan:
  description: What would be put right, one line for each file.
  returned: in check mode
  type: list
  elements: str
  sample: ["packs/3f/3f2a: is fetched from the archive"]
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import coherency
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "backup_path": {"type": "path"},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "fix": {"type": "bool", "default": False},
    "archive": {"type": "str", "choices": ["none", "names", "contents"], "default": "names"},
    "max_minutes": {"type": "int", "default": 0},
    "compare_mailboxes": {"type": "bool", "default": False},
    "double_compressed": {"type": "str", "choices": ["skip", "check", "fix"], "default": "skip"},
    "fail_on_damage": {"type": "bool", "default": True},
    **NOTIFICATIONS,
    **OPERATION,
}


def main() -> None:
    run(coherency.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
