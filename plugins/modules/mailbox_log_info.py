#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailbox_log_info
short_description: Find in mailbox.log what happened to items
description:
  - Searches the mail server's log and its rotated files, compressed ones too, and returns the ids of items with what
    happened to them. An event is returned when it matches everything that is given.
  - What earlier lines say of an item, such as its Message-ID and its sender, counts for the later ones.
  - The log has no flags, tags and read marks, and no moves that were undone by an error. What it says is a hint;
    M(restante.carbonio.item_info) says what the backup has.
  - Reading the log needs administrative access to the node.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
attributes:
  vendor_engine:
    support: N/A
options:
  path:
    description: The log. Its rotated files lie beside it.
    type: path
    default: /opt/zextras/log/mailbox.log
  rotated:
    description: Search the rotated files, too.
    type: bool
    default: true
  start:
    description: Only what happened then or later, in ISO 8601 or as C(dd/MM/yyyy HH:mm:ss).
    type: str
    default: ""
  end:
    description: Only what happened before.
    type: str
    default: ""
  time_zone:
    description:
      - The time zone of the log and of the dates given, as an IANA name.
      - Without it, the one in the node's settings, or the node's own.
    type: str
    default: ""
  account:
    description: Only in this mailbox, by address, account id or mailbox id.
    type: str
    default: ""
  item:
    description: Only the item with this id. Ids are unique in one mailbox alone, so give O(account), too.
    type: str
    default: ""
  message_id:
    description: Only the message with this Message-ID.
    type: str
    default: ""
  sender:
    description: Only messages from this sender, of whose address a part is enough.
    type: str
    default: ""
  folder:
    description: Only what went to, or was emptied out of, this folder, by name, path or id.
    type: str
    default: ""
  action:
    description: Only these kinds of event.
    type: list
    elements: str
    default: []
    choices: [added, modified, copied, moved, deleted, emptied, delivering, not_delivered]
  limit:
    description: Return no more events than this; V(0) for all.
    type: int
    default: 1000
seealso:
  - module: restante.carbonio.item_info
  - module: restante.carbonio.item_search_info
"""

EXAMPLES = r"""
- name: What went into Ann's Trash on Monday
  restante.carbonio.mailbox_log_info:
    account: ann@example.com
    folder: Trash
    start: "2026-03-23"
    end: "2026-03-24"
  register: log

- name: What became of one message
  restante.carbonio.mailbox_log_info:
    message_id: <20260323.1@bank.example.net>
"""

RETURN = r"""
events:
  description:
    - What happened, in the order of the log.
    - An event is C(doubtful) where its line can be read in more than one way or may have been put into the log by a
      user.
  returned: success
  type: list
  elements: dict
  sample:
    - at: "2026-03-28T08:29:49.000Z"
      account: ann@example.com
      mailbox_id: "7"
      action: moved
      kind: message
      item_id: "339"
      folder: Trash
      folder_id: "3"
      doubtful: false
      by: ann@example.com
      file: /opt/zextras/log/mailbox.log
      line: 4711
items:
  description: The items that the events are about, each with what happened to it last.
  returned: success
  type: list
  elements: dict
  sample:
    - item_id: "339"
      account: ann@example.com
      kind: message
      message_id: <20260323.1@bank.example.net>
      sender: bank@example.net
      last_action: moved
      last_folder: Trash
      last_at: "2026-03-28T08:29:49.000Z"
      doubtful: false
files:
  description: The files that were read.
  returned: success
  type: list
  elements: str
truncated:
  description: Whether there are more events than O(limit).
  returned: success
  type: bool
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import log_inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "path": {"type": "path", "default": "/opt/zextras/log/mailbox.log"},
    "rotated": {"type": "bool", "default": True},
    "start": {"type": "str", "default": ""},
    "end": {"type": "str", "default": ""},
    "time_zone": {"type": "str", "default": ""},
    "account": {"type": "str", "default": ""},
    "item": {"type": "str", "default": ""},
    "message_id": {"type": "str", "default": ""},
    "sender": {"type": "str", "default": ""},
    "folder": {"type": "str", "default": ""},
    "action": {
        "type": "list",
        "elements": "str",
        "default": [],
        "choices": ["added", "modified", "copied", "moved", "deleted", "emptied", "delivering", "not_delivered"],
    },
    "limit": {"type": "int", "default": 1000},
}


def main() -> None:
    run(log_inspection.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
