#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailstore_export
short_description: Export a mailbox to files
description:
  - Writes an account as Maildir++, iCalendar, vCard and Sieve files that any mail client can read.
  - Exporting again writes only what is missing or different.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
attributes:
  vendor_engine:
    support: none
options:
  account:
    description: The account to export, by address or id.
    type: str
    required: true
  destination:
    description: The directory on the node to write into.
    type: path
    required: true
seealso:
  - module: restante.carbonio.mailstore_import
"""

EXAMPLES = r"""
- name: Look at what came back with any mail client
  restante.carbonio.mailstore_export:
    account: ann@example.com
    destination: /srv/export/ann
"""

RETURN = r"""
report:
  description: What was written, by kind, what was there already, and what could not be written.
  returned: success
  type: dict
  sample: {"exported": {"message": 412}, "existed": {}, "problems": []}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import exchange
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "account": {"type": "str", "required": True},
    "destination": {"type": "path", "required": True},
}


def main() -> None:
    run(exchange.export_files, ARGUMENTS)


if __name__ == "__main__":
    main()
