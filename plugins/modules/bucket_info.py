#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bucket_info
short_description: List the bucket configurations of a node
description:
  - Returns the configurations that M(restante.carbonio.bucket) keeps, without secrets, and tests one when asked.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
  - restante.carbonio.attributes.s3
attributes:
  vendor_engine:
    support: partial
    details: There is what carbonio lists of a bucket.
options:
  provider:
    description: List the buckets of this provider only.
    type: str
    default: all
  test:
    description: The id of a configuration to test by writing, reading and deleting a file.
    type: str
seealso:
  - module: restante.carbonio.bucket
"""

EXAMPLES = r"""
- name: List the buckets
  restante.carbonio.bucket_info:
  register: buckets
"""

RETURN = r"""
buckets:
  description: The configurations, without secrets.
  returned: success
  type: list
  elements: dict
  sample: [{"id": "5a0bd4ff-9a1b-4a6e-9f0c-2b7a6d9f2f10", "label": "backup of node A"}]
connection:
  description: V(connection ok) when the tested bucket can be written to.
  returned: when O(test) is given
  type: str
  sample: connection ok
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import buckets
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {"provider": {"type": "str", "default": "all"}, "test": {"type": "str"}}


def main() -> None:
    run(lambda call: buckets.info(call.node(), call["provider"], call["test"] or ""), ARGUMENTS)


if __name__ == "__main__":
    main()
