# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation of every module has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of the modules, and the argument that all of them have."""

    DOCUMENTATION = r"""
options:
  config_file:
    description:
      - The settings of the node, as M(restante.carbonio.backup_config) writes them.
      - The bucket configurations lie in the same directory.
    type: path
    default: /etc/restante/restante.json
requirements:
  - python >= 3.9
  - zstandard
attributes:
  action_group:
    support: full
    description: Use C(group/restante.carbonio.all) in C(module_defaults) to set defaults for all modules at once.
    membership: [restante.carbonio.all]
  check_mode:
    support: full
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
  platform:
    platforms: posix
    support: full
    description: Target OS and families that can be operated against.
  vendor_engine:
    description:
      - Works on a node with the vendor's Carbonio Backup too, where M(restante.carbonio.backup_config) has set
        C(engine) to V(carbonio). What it cannot do there it refuses.
author:
  - The restante.carbonio contributors (@restante)
"""

    INFO = r"""
attributes:
  diff_mode:
    support: N/A
    description: The module changes nothing, there is no difference to show.
"""

    DIFF = r"""
attributes:
  diff_mode:
    support: full
    description: Will return details on what has changed, or would change, when in diff mode.
"""

    PLAN = r"""
attributes:
  diff_mode:
    support: partial
    description: Will return details on what has changed, or would change, when in diff mode.
    details: In check mode the plan is shown; after a run, the counts by kind.
"""

    OPERATION = r"""
options:
  operation_id:
    description:
      - The id that the operation is to have, a UUID that no other has; one is chosen where it is not given.
      - By it the operation can be followed with M(restante.carbonio.operation_info) and stopped with
        M(restante.carbonio.operation), also from another playbook.
    type: str
  initiator:
    description:
      - The address of whoever starts this. It is recorded, and it is told what the administrator is told.
      - Defaults to the user that runs the module, or that has become this user with C(sudo); who has mail at
        the C(initiator_domain) of M(restante.carbonio.backup_config).
    type: str
attributes:
  action:
    support: full
    description: Has an action plugin of the same collection, which tells on the controller how far the operation is.
    details:
      - The variable C(restante_progress_seconds) is the number of seconds between two lines, 10 by default;
        V(0) switches this off.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
    details: The action plugin then leaves the task alone.
"""

    NOTIFICATIONS = r"""
options:
  notifications:
    description: Further addresses to notify.
    type: list
    elements: str
    default: []
"""

    UNRESTORED = r"""
options:
  fail_on_unrestored:
    description: Fail the task, after the restore has ended, when an item could not be restored.
    type: bool
    default: false
"""

    HSM = r"""
options:
  apply_hsm:
    description:
      - Have the mail server's policy move what was restored.
      - A mail server without such a policy is a warning; what was restored is in its current primary volume.
    type: bool
    default: false
"""

    S3 = r"""
options: {}
requirements:
  - boto3
"""

    BUCKET = r"""
options:
  bucket_name:
    description: A bucket that has no configuration on this node.
    type: str
  access_key:
    description: The access key for O(bucket_name).
    type: str
  secret:
    description: The secret of O(access_key).
    type: str
  region:
    description: The region of O(bucket_name).
    type: str
  url:
    description: The endpoint of O(bucket_name).
    type: str
  prefix:
    description: The folder of O(bucket_name) that the files of the backup lie in.
    type: str
"""
