#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: item_info
short_description: Show the states of an item in a backup
description:
  - Returns what a backup knows of one item, at a moment or all of its states, deleted ones too.
  - With O(dump_path), its content is written to a file on the node; it is never part of the result.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
attributes:
  vendor_engine:
    support: partial
    details: The item is told in the vendor's own fields. There is no O(dump_path) and no O(volume_prefix).
  diff_mode:
    support: none
    description: The module shows no difference; what it may write is a new file with the content of an item.
options:
  account:
    description: The account, by address, alias or id; also one that is deleted.
    type: str
    required: true
  item:
    description:
      - Its id, as M(restante.carbonio.item_search_info) and M(restante.carbonio.mailbox_log_info) give it.
    type: str
    required: true
  date:
    description:
      - V(last), V(first), V(all) for all states, or a moment in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss).
    type: str
    default: last
  backup_path:
    description: Another backup than the node's own, a Backup Path or a restore directory.
    type: path
  blobs_archive:
    description:
      - The bucket to read the content from, by the id or label of its configuration.
      - Without it, the packs in the backup's directory are read.
    type: str
    default: ""
  volume_prefix:
    description: The folder in the bucket before the server id.
    type: str
    default: ""
  dump_path:
    description:
      - Write the content of the state, of the last one with O(date=all), to this file, which only its owner can read.
      - A file that is there with another content is left alone, and the task fails.
    type: path
seealso:
  - module: restante.carbonio.item_search_info
  - module: restante.carbonio.mailbox_log_info
"""

EXAMPLES = r"""
- name: Show all states of a lost message
  restante.carbonio.item_info:
    account: ann@example.com
    item: "339"
    date: all

- name: Look at the message itself
  restante.carbonio.item_info:
    account: ann@example.com
    item: "339"
    dump_path: /root/339.eml
"""

RETURN = r"""
item:
  description: The account, the item and its states, each with when it began and ended, its place and its metadata.
  returned: success
  type: dict
  sample:
    item_id: "339"
    type: message
    deleted: true
    item_states:
      - {"start_date": "2026-03-28T08:29:49.000Z", "deleted": true, "folder_path": "/Trash", "restorable": true}
    nearest_restorable: ""
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "account": {"type": "str", "required": True},
    "item": {"type": "str", "required": True},
    "date": {"type": "str", "default": "last"},
    "backup_path": {"type": "path"},
    "blobs_archive": {"type": "str", "default": ""},
    "volume_prefix": {"type": "str", "default": ""},
    "dump_path": {"type": "path"},
}


def main() -> None:
    run(inspection.answer_item, ARGUMENTS)


if __name__ == "__main__":
    main()
