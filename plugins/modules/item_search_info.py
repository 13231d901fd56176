#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: item_search_info
short_description: Find items of an account in a backup
description:
  - Returns the items of an account that match everything that is given, by their last state in the backup.
  - Without further options, the deleted messages that are still in the backup.
  - No content is returned.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: partial
    details:
      - The items are told in the vendor's own fields.
      - There is neither a search in contents nor one for the time of a deletion, and O(type) is V(all), V(message),
        V(contact), V(folder) or V(document).
options:
  account:
    description: The account, by address, alias or id; also one that is deleted.
    type: str
    required: true
  id:
    description: Only the item with this id.
    type: str
    default: ""
  search_string:
    description:
      - Only items with this text in their name or attributes, such as the subject or the sender.
      - Case matters.
    type: str
    default: ""
  in_content:
    description:
      - Look for O(search_string) among the contents too, byte by byte as they are stored.
      - Of contacts, appointments and tasks the metadata says little, so this is how they are found.
    type: bool
    default: false
  blobs_archive:
    description:
      - With O(in_content), the bucket to read the contents from, by the id or label of its configuration.
      - Without it, the packs in the backup's directory are read.
    type: str
    default: ""
  volume_prefix:
    description: The folder in the bucket before the server id.
    type: str
    default: ""
  type:
    description: Only items of this type; V(contact) also finds contact groups.
    type: str
    default: message
    choices:
      - all
      - message
      - contact
      - contact_group
      - folder
      - appointment
      - task
      - document
      - tag
      - mountpoint
      - data_source
      - filter_set
  after:
    description: Only items received or created then or later, in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss).
    type: str
    default: ""
  before:
    description: Only items received or created before.
    type: str
    default: ""
  deleted_after:
    description: Only items whose deletion was recorded then or later.
    type: str
    default: ""
  deleted_before:
    description: Only items whose deletion was recorded before.
    type: str
    default: ""
  search_filter:
    description: Whether to find what is deleted, what is not, or both.
    type: str
    default: deleted
    choices: [all, deleted, not_deleted]
  raw_metadata:
    description: Return the metadata as the backup has it, too; passwords are hidden.
    type: bool
    default: false
  limit:
    description: Return no more items than this; V(0) for all.
    type: int
    default: 1000
  backup_path:
    description: Another backup than the node's own, a Backup Path or a restore directory.
    type: path
seealso:
  - module: restante.carbonio.item_info
  - module: restante.carbonio.mailbox_log_info
"""

EXAMPLES = r"""
- name: What has Ann deleted this week from the bank
  restante.carbonio.item_search_info:
    account: ann@example.com
    search_string: bank@example.net
    deleted_after: "2026-03-23"
  register: found

- name: Where is the contact that Ann had of Mario Rossi
  restante.carbonio.item_search_info:
    account: ann@example.com
    type: contact
    search_filter: all
    search_string: Mario Rossi
    in_content: true
"""

RETURN = r"""
account:
  description: Whose items they are.
  returned: success
  type: dict
  sample: {"id": "5f2c", "name": "ann@example.com", "deleted": false, "deleted_at": ""}
items:
  description: The items.
  returned: success
  type: list
  elements: dict
  sample:
    - item_id: "339"
      type: message
      deleted: true
      deleted_at: "2026-03-28T08:29:49.000Z"
      folder_path: /Trash
      subject: Invoice
      sender: bank@example.net
truncated:
  description: Whether there are more than O(limit).
  returned: success
  type: bool
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "account": {"type": "str", "required": True},
    "id": {"type": "str", "default": ""},
    "search_string": {"type": "str", "default": ""},
    "in_content": {"type": "bool", "default": False},
    "blobs_archive": {"type": "str", "default": ""},
    "volume_prefix": {"type": "str", "default": ""},
    "type": {
        "type": "str",
        "default": "message",
        "choices": [
            "all", "message", "contact", "contact_group", "folder", "appointment", "task", "document", "tag",
            "mountpoint", "data_source", "filter_set",
        ],
    },
    "after": {"type": "str", "default": ""},
    "before": {"type": "str", "default": ""},
    "deleted_after": {"type": "str", "default": ""},
    "deleted_before": {"type": "str", "default": ""},
    "search_filter": {"type": "str", "default": "deleted", "choices": ["all", "deleted", "not_deleted"]},
    "raw_metadata": {"type": "bool", "default": False},
    "limit": {"type": "int", "default": 1000},
    "backup_path": {"type": "path"},
}


def main() -> None:
    run(inspection.answer_search, ARGUMENTS)


if __name__ == "__main__":
    main()
