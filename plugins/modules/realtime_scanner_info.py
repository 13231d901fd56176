#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: realtime_scanner_info
short_description: Read what the Realtime Scanner does
description:
  - Returns whether the Realtime Scanner runs, the last event it has seen, how far it is behind, its last commit, and
    whether the backup has a gap.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details: Whether it is switched on is all that is told.
seealso:
  - module: restante.carbonio.realtime_scanner
"""

EXAMPLES = r"""
- name: See whether everything is recorded
  restante.carbonio.realtime_scanner_info:
  register: realtime

- name: Complain where it is not
  ansible.builtin.assert:
    that:
      - not realtime.status.gap
      - realtime.status.lag_seconds < 5
"""

RETURN = r"""
status:
  description:
    - What the Realtime Scanner does. Times are ISO 8601, empty for "never".
  returned: success
  type: dict
  contains:
    enabled:
      description: Whether it is to record what happens (the vendor's C(ZxBackup_RealTimeScanner)).
      type: bool
      sample: true
    running:
      description: Whether its process runs.
      type: bool
      sample: true
    state:
      description:
        - V(following), V(scanning) while a gap is closed, V(waiting) for what RV(status.error) says, V(off) or
          V(stopped).
      type: str
      sample: following
    pid:
      description: The id of the process, V(0) for none.
      type: int
      sample: 4711
    unit:
      description: The systemd unit that it runs as; empty where it does not.
      type: str
      sample: restante-realtime-scanner.service
    started:
      description: When the process was started.
      type: str
      sample: "2026-11-02T04:00:01.120Z"
    last_event:
      description: The newest event that was seen, as the mail server numbers them.
      type: str
      sample: "120034"
    last_event_at:
      description: When it was seen.
      type: str
      sample: "2026-11-02T09:12:31.004Z"
    pending_accounts:
      description:
        - Accounts that something has happened in and that are not committed yet, those that cannot be read included.
      type: int
      sample: 0
    lag_seconds:
      description:
        - Since when the oldest of that may be waiting; V(0) when everything is committed, and where it is not known.
      type: float
      sample: 0.0
    last_commit:
      description: The number of its newest commit.
      type: int
      sample: 5120
    last_commit_at:
      description: When that was made.
      type: str
      sample: "2026-11-02T09:12:31.250Z"
    complete_until:
      description: All that happened up to here is in the backup.
      type: str
      sample: "2026-11-02T09:15:02.001Z"
    archived_commit:
      description: The newest commit that is known to be in the archive; V(0) where there is none.
      type: int
      sample: 5120
    gap:
      description: Whether something may have happened that is not recorded.
      type: bool
      sample: false
    gap_since:
      description: Since when. Empty without a gap, and where nothing was ever recorded.
      type: str
      sample: ""
    gap_reason:
      description: Why.
      type: str
      sample: ""
    unreadable:
      description: What the mail server could not give. It is tried again.
      type: list
      elements: str
      sample: []
    error:
      description: What keeps it from recording.
      type: str
      sample: ""
    archive_error:
      description: Why the archive lacks the newest commits.
      type: str
      sample: ""
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import realtime
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run


def main() -> None:
    run(realtime.info)


if __name__ == "__main__":
    main()
