#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: archive_info
short_description: List the backups in an archive
description:
  - Returns which servers have a backup in a bucket or a directory, how fresh each is, and what its restore needs.
  - The archive is reached with the credentials that are given, so this also tells whether a restore could reach it.
  - Where no archive is named, it is the one that this node sends its own backup to.
version_added: 1.0.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.info
  - restante.carbonio.attributes.s3
  - restante.carbonio.attributes.bucket
options:
  source:
    description: A directory that is an archive, or a Backup Path.
    type: path
  bucket_configuration_id:
    description: A bucket configuration of this node, by its id or label.
    type: str
  provider:
    description: The provider of O(bucket_name) by the vendor's name for it.
    type: str
  profile:
    description: A profile of the service user's AWS configuration.
    type: str
  ca_file:
    description: A PEM file on the node with the authorities to trust.
    type: path
  volume_prefix:
    description: The folder before the server ids.
    type: str
    default: ""
  choose:
    description:
      - Also choose the backup that M(restante.carbonio.metadata_retrieve) would fetch, which is that of O(server_id),
        or the only one that is not of this very node.
    type: bool
    default: false
  server_id:
    description: The id of the server, for O(choose).
    type: str
    default: ""
attributes:
  vendor_engine:
    support: N/A
seealso:
  - module: restante.carbonio.metadata_retrieve
  - module: restante.carbonio.bucket_info
"""

EXAMPLES = r"""
- name: See how fresh the archive of this node is
  restante.carbonio.archive_info:
  register: archive

- name: See whose backups are in a bucket
  restante.carbonio.archive_info:
    bucket_name: carbonio-backup
    url: https://s3.example.com
    access_key: "{{ vault_access_key }}"
    secret: "{{ vault_secret }}"
"""

RETURN = r"""
archive:
  description: Where that is.
  returned: success
  type: str
  sample: s3://carbonio-backup/mail1 at https://s3.example.com
exists:
  description: Whether there is such a bucket.
  returned: success
  type: bool
  sample: true
backups:
  description: The backups.
  returned: success
  type: list
  elements: dict
  contains:
    server_id:
      description: The id of the server that it is of.
      type: str
      sample: 8f4b2d9e-0a0e-4b3c-9d55-6f9d1f0c7a11
    own:
      description: Whether that is this very node.
      type: bool
      sample: false
    repository_id:
      description: The id of the backup.
      type: str
      sample: 1f0c7a11-0a0e-4b3c-9d55-6f9d8f4b2d9e
    commit:
      description: The number of its newest commit; V(0) where it has none.
      type: int
      sample: 4242
    last_commit:
      description: When that came here, by the clock of the archive. What changed later is not in it.
      type: str
      sample: "2026-03-28T08:29:49.000Z"
    encrypted:
      description: Whether it can be read with its master key alone.
      type: bool
      sample: false
    metadata_bytes:
      description: What M(restante.carbonio.metadata_retrieve) fetches. None where that is not known.
      type: int
      sample: 1200000
    blob_bytes:
      description: What there is besides, compressed and each content once. None where that is not known.
      type: int
      sample: 73400320
chosen:
  description: The id of the server whose backup O(choose) has chosen; empty for none.
  returned: success
  type: str
  sample: 8f4b2d9e-0a0e-4b3c-9d55-6f9d1f0c7a11
problem:
  description: Why O(choose) could choose none, or that there is no such bucket; empty otherwise.
  returned: success
  type: str
  sample: ""
clock_skew_seconds:
  description: How far the clock of the archive is ahead of the node's.
  returned: success
  type: int
  sample: 0
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import archives
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import BUCKET
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    **BUCKET,
    "source": {"type": "path"},
    "bucket_configuration_id": {"type": "str"},
    "provider": {"type": "str"},
    "profile": {"type": "str"},
    "ca_file": {"type": "path"},
    "volume_prefix": {"type": "str", "default": ""},
    "choose": {"type": "bool", "default": False},
    "server_id": {"type": "str", "default": ""},
}


def main() -> None:
    run(
        archives.answer,
        ARGUMENTS,
        mutually_exclusive=[("source", "bucket_configuration_id", "bucket_name")],
        required_together=[("access_key", "secret")],
    )


if __name__ == "__main__":
    main()
