#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: external_restore
short_description: Restore a backup made elsewhere to this mail server
description:
  - Carries out an External Restore in its three phases, provisioning, items, mountpoints and data sources.
  - It never deletes anything, and it may be killed and run again, every item is there once.
  - A run that finds everything restored changes nothing. What was restored before is counted as skipped.
  - In check mode the plan is shown and nothing is touched.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.s3
  - restante.carbonio.attributes.operation
  - restante.carbonio.attributes.notifications
  - restante.carbonio.attributes.unrestored
attributes:
  vendor_engine:
    support: partial
    details:
      - The report counts items, and not by kind.
      - There is no O(volume_prefix).
      - Check mode shows the command and does not look for work.
options:
  source_path:
    description: A Backup Path, a copy of one, or a directory that metadata was retrieved into.
    type: path
    required: true
  blobs_archive:
    description:
      - The bucket to read the mail from, by the id or label of its configuration.
      - Without it, the packs in O(source_path) are read.
    type: str
    default: ""
  volume_prefix:
    description: The folder in the bucket before the server id that the lost node used.
    type: str
    default: ""
  accounts:
    description: Restore these accounts, by address or id, in this order.
    type: list
    elements: str
    default: []
  input_file:
    description: A text file on the node with one further account per line.
    type: path
  domains:
    description: Restore the accounts of these domains.
    type: list
    elements: str
    default: []
  filter_deleted:
    description: Leave out what is deleted at the source.
    type: bool
    default: true
  skip_system_accounts:
    description: Leave out service mailboxes that were not named.
    type: bool
    default: true
  skip_aliases:
    description: Create no aliases.
    type: bool
    default: false
  skip_distribution_lists:
    description: Restore no distribution lists.
    type: bool
    default: false
  skip_coses:
    description: Restore no classes of service.
    type: bool
    default: false
  skip_account_provisioning:
    description: Create no accounts and write none of their attributes; restore into those that exist.
    type: bool
    default: false
  skip_domain_provisioning:
    description: Write nothing of domains, classes of service and distribution lists.
    type: bool
    default: false
  provisioning_only:
    description: End after phase 1.
    type: bool
    default: false
  concurrent_accounts:
    description: How many accounts are restored at the same time.
    type: int
    default: 1
  max_file_size:
    description: Leave out, and report, items whose content has more bytes than this; V(0) for no limit.
    type: int
    default: 0
  restore_datasource:
    description: Restore external data sources.
    type: bool
    default: true
  force_as_external_restore:
    description: Restore although the backup is one of this very server.
    type: bool
    default: false
seealso:
  - module: restante.carbonio.metadata_retrieve
  - module: restante.carbonio.restore_verify_info
"""

EXAMPLES = r"""
- name: Restore everything, mail from the bucket
  restante.carbonio.external_restore:
    source_path: /opt/zextras/restore
    blobs_archive: "{{ bucket.bucket_configuration_id }}"
    concurrent_accounts: 2

- name: Migrate one domain without touching domain settings
  restante.carbonio.external_restore:
    source_path: /mnt/rome/backup
    domains: [example.com]
    skip_domain_provisioning: true
"""

RETURN = r"""
restored:
  description: What was restored now, by kind.
  returned: when not in check mode
  type: dict
  sample: {"message": 2200, "folder": 61}
already_there:
  description: What was there already, by kind.
  returned: when not in check mode
  type: dict
  sample: {"folder": 80}
unrestored:
  description: What could not be restored, by kind.
  returned: when not in check mode
  type: dict
  sample: {}
unrestored_items:
  description: Every item that could not be restored, with the reason.
  returned: when not in check mode
  type: list
  elements: dict
  sample: []
not_held:
  description: What restored items had and the mail server cannot hold, by kind and what it is, each with its count.
  returned: when not in check mode
  type: dict
  sample: {"message": {"flag s": 47}}
stats:
  description: The report as text, in the documented form.
  returned: when not in check mode
  type: str
  sample: "- stats -\nRestored Items: 2261\n"
seconds:
  description: How long each phase has taken, and the whole.
  returned: when not in check mode
  type: dict
  sample: {"phase 1: provisioning": 0.8, "total": 12.4}
timeline:
  description:
    - When every account could be logged in to, when the first mailbox had its newest message, when every mailbox had
      it, and when all was back. Empty for what was not reached.
  returned: when not in check mode
  type: dict
  sample:
    provisioned: "2026-03-28T08:30:01.120Z"
    first_mailbox: "2026-03-28T08:30:01.940Z"
    newest_mail: "2026-03-28T08:31:20.002Z"
    complete: "2026-03-28T08:39:02.511Z"
operation_id:
  description: The id of the operation.
  returned: when not in check mode
  type: str
  sample: 0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55
plan:
  description: What would be done.
  returned: in check mode
  type: list
  elements: str
  sample: ["create domain example.com", "restore 412 x message of ann@example.com"]
pending:
  description: Whether there is anything to restore.
  returned: in check mode
  type: bool
  sample: true
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import (
    NOTIFICATIONS,
    OPERATION,
    UNRESTORED,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **UNRESTORED,
    **NOTIFICATIONS,
    **OPERATION,
    "source_path": {"type": "path", "required": True},
    "blobs_archive": {"type": "str", "default": ""},
    "volume_prefix": {"type": "str", "default": ""},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "input_file": {"type": "path"},
    "domains": {"type": "list", "elements": "str", "default": []},
    "filter_deleted": {"type": "bool", "default": True},
    "skip_system_accounts": {"type": "bool", "default": True},
    "skip_aliases": {"type": "bool", "default": False},
    "skip_distribution_lists": {"type": "bool", "default": False},
    "skip_coses": {"type": "bool", "default": False},
    "skip_account_provisioning": {"type": "bool", "default": False},
    "skip_domain_provisioning": {"type": "bool", "default": False},
    "provisioning_only": {"type": "bool", "default": False},
    "concurrent_accounts": {"type": "int", "default": 1},
    "max_file_size": {"type": "int", "default": 0},
    "restore_datasource": {"type": "bool", "default": True},
    "force_as_external_restore": {"type": "bool", "default": False},
}


def main() -> None:
    run(recovery.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
