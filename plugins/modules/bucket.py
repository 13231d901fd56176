#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bucket
short_description: Create a bucket and keep its configuration
description:
  - Makes a bucket at an S3-compatible provider be as described, and keeps how to reach it under an id on the node.
  - A new bucket is tested. A store that does not honour conditional writes (C(If-None-Match)) is refused, because on it
    two writers would silently overwrite each other's backup.
  - Settings that are not given are left as they are.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
  - restante.carbonio.attributes.s3
attributes:
  vendor_engine:
    support: partial
    details:
      - What concerns the bucket at the provider, its lock and its storage class is refused, and so is another
        O(prefix) of a configuration that is there.
      - O(secret) reaches the command on its standard input.
options:
  state:
    description: V(present) keeps the configuration, V(absent) forgets it. The bucket itself is never deleted.
    type: str
    choices: [present, absent]
    default: present
  bucket_configuration_id:
    description: The id of the configuration; without it, the one with O(label) is meant.
    type: str
  label:
    description: A name for people, unique on the node. Defaults to O(bucket_name).
    type: str
  bucket_name:
    description: The name of the bucket at the provider. Required for O(state=present).
    type: str
  provider:
    description: The provider by the vendor's name for it. Defaults to V(S3) for a new configuration.
    type: str
    choices: [S3, Alibaba, Ceph, Cloudian, CustomS3, EMC, MinIO, ScalityS3, Yandex]
  url:
    description: The endpoint of an S3-compatible server; empty for AWS.
    type: str
  region:
    description: The region of the bucket.
    type: str
  prefix:
    description: A folder in the bucket that all files of the backup lie in.
    type: str
  access_key:
    description: The access key. Without it, environment, profile or instance role of the node are used.
    type: str
  secret:
    description: The secret of O(access_key).
    type: str
  profile:
    description: A profile of the service user's AWS configuration.
    type: str
  signature_version:
    description: The version of the signatures that the server takes. Defaults to V(v4) for a new configuration.
    type: str
    choices: [v2, v4]
  storage_class:
    description: The storage class of new files, such as V(STANDARD_IA); empty for the bucket's default.
    type: str
  storage_class_from:
    description: The size in bytes from which files get O(storage_class). Defaults to 65536 for a new configuration.
    type: int
  ca_file:
    description: A PEM file on the node with the authorities to trust.
    type: path
  notes:
    description: Anything worth remembering.
    type: str
  create:
    description: Create the bucket where the provider has none of that name.
    type: bool
    default: true
  versioning:
    description: Whether old versions of files are kept.
    type: bool
  encryption:
    description: How the provider encrypts files at rest.
    type: str
    choices: [AES256, aws:kms]
  kms_key:
    description: The key for O(encryption=aws:kms).
    type: str
    default: ""
  public_access_blocked:
    description: Whether public access is blocked.
    type: bool
  lifecycle:
    description: The lifecycle rules of the bucket, all of them.
    type: list
    elements: dict
    suboptions:
      id:
        description: The name of the rule.
        type: str
        required: true
      prefix:
        description: The folder that the rule is for; empty for all files.
        type: str
        default: ""
      expire_days:
        description: Files are deleted after so many days. Never use this on the folder of a backup.
        type: int
        default: 0
      noncurrent_days:
        description: Old versions are deleted after so many days.
        type: int
        default: 0
      abort_upload_days:
        description: Uploads that were never finished are removed after so many days.
        type: int
        default: 0
  object_lock_mode:
    description:
      - Locks every file for O(object_lock_days) when it is written, so that nobody can remove or alter it. While the
        backup needs it, the lock is renewed, see M(restante.carbonio.archive_lock).
      - A V(GOVERNANCE) lock can be lifted by who has the permission C(s3:BypassGovernanceRetention), a V(COMPLIANCE)
        lock by nobody.
      - The bucket must be created with Object Lock. A store that does not enforce it is refused. It becomes the default
        retention of the bucket too, by which other nodes recognise it.
      - Files that are locked stay locked, whatever is set later.
    type: str
    choices: [GOVERNANCE, COMPLIANCE]
  object_lock_days:
    description: How long a file is locked, in days. Less than 7 is refused by no store, and warned of.
    type: int
seealso:
  - module: restante.carbonio.bucket_info
  - module: restante.carbonio.backup_volume
"""

EXAMPLES = r"""
- name: Configure the bucket that the lost node wrote to
  restante.carbonio.bucket:
    bucket_name: carbonio-backup
    provider: CustomS3
    url: https://s3.example.com
    access_key: "{{ vault_access_key }}"
    secret: "{{ vault_secret }}"
    label: backup of node A
  register: bucket

- name: Keep a new bucket private, versioned and encrypted
  restante.carbonio.bucket:
    bucket_name: carbonio-backup-b
    region: eu-south-1
    versioning: true
    encryption: AES256
    public_access_blocked: true

- name: Keep a new bucket in which nobody can remove a backup
  restante.carbonio.bucket:
    bucket_name: carbonio-backup-c
    region: eu-south-1
    object_lock_mode: COMPLIANCE
    object_lock_days: 30
"""

RETURN = r"""
bucket_configuration_id:
  description: The id under which the configuration is kept; empty in check mode for a new one.
  returned: success
  type: str
  sample: 5a0bd4ff-9a1b-4a6e-9f0c-2b7a6d9f2f10
bucket:
  description: The configuration without its secret.
  returned: success
  type: dict
  sample: {"bucket": "carbonio-backup", "label": "backup of node A"}
steps:
  description: What was changed at the bucket itself, or would be.
  returned: success
  type: list
  elements: str
  sample: ["bucket: None -> False"]
unsupported:
  description: Settings that the server does not support, each with its answer.
  returned: success
  type: dict
  sample: {}
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import buckets
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.argspec import CREDENTIALS
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "bucket_configuration_id": {"type": "str"},
    "label": {"type": "str"},
    "bucket_name": {"type": "str"},
    "provider": {
        "type": "str",
        "choices": ["S3", "Alibaba", "Ceph", "Cloudian", "CustomS3", "EMC", "MinIO", "ScalityS3", "Yandex"],
    },
    "url": {"type": "str"},
    "region": {"type": "str"},
    "prefix": {"type": "str"},
    **CREDENTIALS,
    "profile": {"type": "str"},
    "signature_version": {"type": "str", "choices": ["v2", "v4"]},
    "storage_class": {"type": "str"},
    "storage_class_from": {"type": "int"},
    "ca_file": {"type": "path"},
    "notes": {"type": "str"},
    "create": {"type": "bool", "default": True},
    "versioning": {"type": "bool"},
    "encryption": {"type": "str", "choices": ["AES256", "aws:kms"]},
    "kms_key": {"type": "str", "default": "", "no_log": False},
    "public_access_blocked": {"type": "bool"},
    "lifecycle": {
        "type": "list",
        "elements": "dict",
        "options": {
            "id": {"type": "str", "required": True},
            "prefix": {"type": "str", "default": ""},
            "expire_days": {"type": "int", "default": 0},
            "noncurrent_days": {"type": "int", "default": 0},
            "abort_upload_days": {"type": "int", "default": 0},
        },
    },
    "object_lock_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"]},
    "object_lock_days": {"type": "int"},
}


def main() -> None:
    run(
        buckets.answer,
        ARGUMENTS,
        required_if=[
            ("state", "present", ["bucket_name"]),
            ("state", "absent", ["bucket_configuration_id", "label", "bucket_name"], True),
        ],
        required_together=[("access_key", "secret"), ("object_lock_mode", "object_lock_days")],
    )


if __name__ == "__main__":
    main()
