#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: archive_lock
short_description: Renew the locks of an archive with Object Lock
description:
  - Looks at the lock of every file in the bucket that the backup needs. Where less than half of its time is left, the
    file is locked anew, for the whole time of the bucket configuration.
  - SmartScan does the same by itself, eight times while a lock lasts. This module is for doing it at once, as after
    the scans have stood still, and in check mode for seeing how long everything is locked.
  - What the backup needs no more is not locked anew. M(restante.carbonio.purge) removes it when its lock has ended.
  - Tells with a warning of files that somebody has deleted or written over. They are locked and are read all the same.
  - Costs a request for each file of the backup, one more for each lock that is renewed, and one for each thousand
    files.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.s3
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
attributes:
  vendor_engine:
    support: none
seealso:
  - module: restante.carbonio.bucket
  - module: restante.carbonio.smartscan
"""

EXAMPLES = r"""
- name: Renew the locks of what the backup needs
  restante.carbonio.archive_lock:

- name: See how long everything is locked
  restante.carbonio.archive_lock:
  check_mode: true
  register: locks
"""

RETURN = r"""
report:
  description:
    - How many files the backup needs and the archive has, with their bytes; how many locks were renewed, or would be;
      when the first lock ends; how many files could not be locked, and how many somebody has written over.
  returned: success
  type: dict
  sample:
    {"bytes": 91237, "files": 12, "first_lock_ends": "2026-12-28T03:34:00Z", "overlaid": 0, "refused": 0, "renewed": 3}
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import locks
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import NOTIFICATIONS, OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {**NOTIFICATIONS, **OPERATION}


def main() -> None:
    run(locks.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
