#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_info
short_description: Read what the drills of a node have come to, and whether a report is genuine
description:
  - Returns the drills that the node remembers, what monitoring is told of them and of the backup, and the public key
    that their reports are signed with.
  - Says whether a report is as it was when it was signed.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
options:
  verify:
    description: The directory of a report, on the node, to be held against its manifest and signature.
    type: path
  public_key:
    description:
      - The public key, PEM, that the report has to be signed with, from where it was kept.
      - By default the node's own, which whoever can write to the node could have changed.
    type: path
attributes:
  vendor_engine:
    support: none
seealso:
  - module: restante.carbonio.drill
"""

EXAMPLES = r"""
- name: Read what the last drill came to
  restante.carbonio.drill_info:
  register: info

- name: Have a drill every month that has passed
  ansible.builtin.assert:
    that:
      - info.drills | length > 0
      - info.drills[-1].passed
      - (now(utc=true) - (info.drills[-1].declared | to_datetime('%Y-%m-%dT%H:%M:%S.%fZ'))).days < 32

- name: Make sure that nobody has altered its report
  restante.carbonio.drill_info:
    verify: "{{ info.drills[-1].report_path }}"
    public_key: /etc/ssl/drills/mail1.pem
  register: report
  failed_when: not report.verification.genuine
"""

RETURN = r"""
drills:
  description: The drills, the oldest first.
  returned: success
  type: list
  elements: dict
  sample:
    - declared: "2026-03-28T08:30:00.000Z"
      passed: true
      rpo_seconds: 41.2
      rto_seconds: 512.0
      verified: 21044
      report_path: /var/lib/restante/drills/reports/20260328T083000Z-0c6b4d58
public_key:
  description: The node's public key, PEM. Keep it elsewhere. Empty where no report was signed.
  returned: success
  type: str
  sample: "-----BEGIN PUBLIC KEY-----\n"
metrics:
  description: The metrics of the node as Prometheus text.
  returned: success
  type: str
  sample: "restante_last_drill_success 1.0\n"
verification:
  description: What became of the report.
  returned: when O(verify) is given
  type: dict
  contains:
    genuine:
      description: Whether the signature is one of the key, and every file is as it was.
      type: bool
    signed:
      description: Whether there is a signature.
      type: bool
    altered:
      description: Files that are not as they were.
      type: list
      elements: str
    missing:
      description: Files that are gone.
      type: list
      elements: str
    unlisted:
      description: Files that are no part of the report.
      type: list
      elements: str
    problem:
      description: Why it is not genuine, as a sentence.
      type: str
  sample: {"genuine": true, "signed": true, "altered": [], "missing": [], "unlisted": [], "problem": ""}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import drill_reports
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"verify": {"type": "path"}, "public_key": {"type": "path", "no_log": False}}


def main() -> None:
    run(drill_reports.info, ARGUMENTS)


if __name__ == "__main__":
    main()
