#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deduplicate
short_description: Keep one copy of identical mail
description:
  - Finds identical blobs of a volume and keeps one of each. Recommended after an External Restore.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.plan
  - restante.carbonio.attributes.operation
attributes:
  vendor_engine:
    support: partial
    details: RV(deduplication) has what carbonio tells of the last volume, which may be nothing.
options:
  volume:
    description: The name of the volume; all volumes, each for itself, by default.
    type: str
"""

EXAMPLES = r"""
- name: Deduplicate after an import
  restante.carbonio.deduplicate:
"""

RETURN = r"""
deduplication:
  description: The documented counters. In check mode, what would be done.
  returned: success
  type: dict
  sample: {"duplicated_blobs": 17, "space_saved": 481223, "skipped_blobs": 0, "invalid_digests": 0}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import volumes
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import OPERATION
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"volume": {"type": "str"}, **OPERATION}


def main() -> None:
    run(volumes.answer, ARGUMENTS)


if __name__ == "__main__":
    main()
