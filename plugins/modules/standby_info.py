#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: standby_info
short_description: Read how far a warm standby is behind its primary
description:
  - Returns what a standby does, its lag, when the archive was last read, and what could not be applied.
  - A primary that nobody uses makes no commits. So its uploads leave a sign of life in the archive once a minute, by
    which it is told from a dead one. There is none where a Backup Path is followed and no archive.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
options:
  warn_silence_seconds:
    description:
      - From how many seconds without a sign of life of the primary, or without a look into its archive, on there is a
        warning. V(0) for never.
    type: int
    default: 180
    version_added: 1.1.0
  max_silence_seconds:
    description: The same, from where on that is one of the RV(problems).
    type: int
    default: 900
    version_added: 1.1.0
  max_lag_seconds:
    description: By how many seconds the standby may be behind before that is one of the RV(problems). V(0) for any.
    type: int
    default: 60
    version_added: 1.1.0
attributes:
  vendor_engine:
    support: none
seealso:
  - module: restante.carbonio.standby
"""

EXAMPLES = r"""
- name: See whether the standby could take over
  restante.carbonio.standby_info:
    max_silence_seconds: 600
  register: standby
  failed_when: standby.problems | length > 0
"""

RETURN = r"""
problems:
  description: Why it could not take over now, or the primary seems to be dead, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["The primary last gave a sign of life 1260 s ago."]
  version_added: 1.1.0
status:
  description:
    - How far the standby is. Times are ISO 8601, empty for "never".
  returned: success
  type: dict
  contains:
    is_standby:
      description: Whether the node is a standby.
      type: bool
      sample: true
    state:
      description: V(following), V(stopped), V(promoted), or V(none) of what never was a standby, and has nothing else.
      type: str
      sample: following
    activity:
      description: V(following), V(applying) while it is behind and at it, or V(waiting) for what RV(status.error) says.
      type: str
      sample: following
    running:
      description: Whether its process runs.
      type: bool
      sample: true
    pid:
      description: The id of the process, V(0) for none.
      type: int
      sample: 4711
    unit:
      description: The systemd unit that it runs as; empty where it does not.
      type: str
      sample: restante-standby.service
    primary:
      description: The server id of the primary; empty before the first round.
      type: str
      sample: 7c7d2c1e-6f0e-4a9e-8c0f-6e2a1a2f7a55
    source:
      description: Where its commits come from.
      type: dict
      sample: {"type": "s3", "bucket_configuration_id": "archive"}
    applied_commit:
      description: The number of the commit that is applied, all of it.
      type: int
      sample: 5120
    applied_commit_at:
      description: When the primary made that.
      type: str
      sample: "2026-11-02T09:12:31.250Z"
    applied_at:
      description: When it was applied.
      type: str
      sample: "2026-11-02T09:12:32.420Z"
    newest_commit:
      description: The newest commit that is known to be in the archive.
      type: int
      sample: 5120
    newest_commit_at:
      description: When the primary made that.
      type: str
      sample: "2026-11-02T09:12:31.250Z"
    lag_commits:
      description: How many of those that are known are not applied.
      type: int
      sample: 0
    lag_seconds:
      description: The time between the two commits.
      type: float
      sample: 0.0
    last_contact:
      description: When the archive was last read.
      type: str
      sample: "2026-11-02T09:15:00.002Z"
    contact_seconds:
      description: How long ago that is; V(-1) for never. The lag is that of then.
      type: float
      sample: 0.7
    silent_seconds:
      description:
        - How long ago the newest commit was made; V(-1) for never. A primary that nobody uses makes none, see
          RV(status.sign_of_life_seconds).
      type: float
      sample: 148.8
    last_sign_of_life:
      description:
        - When the primary is known to have lived, by a commit or a sign of life. One from the future counts from when
          it was seen here.
      type: str
      sample: "2026-11-02T09:14:31.250Z"
    sign_of_life_seconds:
      description: How long ago that is; V(-1) for never.
      type: float
      sample: 28.7
    gives_signs_of_life:
      description:
        - Whether the primary leaves signs of life in its archive. Without, an idle one cannot be told from a dead one.
      type: bool
      sample: true
    clock_ahead_seconds:
      description: By how much the primary's clock is ahead of this node's, as its last sign of life says.
      type: float
      sample: 0.0
    entries:
      description: How many accounts, lists, domains and classes of service it follows.
      type: int
      sample: 212
    accounts:
      description: How many of them are accounts.
      type: int
      sample: 205
    damages:
      description: What of the primary's backup cannot be read. What it records is not here.
      type: list
      elements: str
      sample: []
    failure_count:
      description: How much could not be applied. It is tried again.
      type: int
      sample: 0
    failures:
      description: The first hundred of these, by account and id at the primary.
      type: list
      elements: dict
      sample: []
    conflict_count:
      description: How often somebody has changed something here since the standby was set up.
      type: int
      sample: 0
    conflicts:
      description: The last hundred of these.
      type: list
      elements: dict
      sample: []
    error:
      description: What keeps it from following.
      type: str
      sample: ""
    promotion:
      description: What its promotion came to, see M(restante.carbonio.standby); empty where it was not promoted.
      type: dict
      sample: {}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import standby
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "warn_silence_seconds": {"type": "int", "default": 180},
    "max_silence_seconds": {"type": "int", "default": 900},
    "max_lag_seconds": {"type": "int", "default": 60},
}


def main() -> None:
    run(standby.info, ARGUMENTS)


if __name__ == "__main__":
    main()
