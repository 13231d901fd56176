#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailstore_import
short_description: Import files into a mailbox
description:
  - Reads mbox, mbox.gz, Maildir, eml, tar.zst, tar.gz, ics, vcf and sieve files, or a folder of these, into an account.
  - Messages are kept byte for byte. Importing the same files again changes nothing.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
attributes:
  vendor_engine:
    support: none
options:
  account:
    description: The account to import into, by address or id.
    type: str
    required: true
  source:
    description: The file or folder on the node.
    type: path
    required: true
  folder:
    description: The folder of the mailbox to import into, as a path; created where it is missing.
    type: str
    default: ""
seealso:
  - module: restante.carbonio.mailstore_export
"""

EXAMPLES = r"""
- name: Import an old archive
  restante.carbonio.mailstore_import:
    account: ann@example.com
    source: /srv/old/archive.mbox.gz
    folder: Archive/2019
"""

RETURN = r"""
report:
  description: What was imported, by kind, what was there already, and what was refused with the reason.
  returned: success
  type: dict
  sample: {"imported": {"message": 412}, "existed": {}, "problems": []}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import exchange
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "account": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "folder": {"type": "str", "default": ""},
}


def main() -> None:
    run(exchange.import_files, ARGUMENTS)


if __name__ == "__main__":
    main()
