# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload and metadata retrieval. Credentials come from the environment, as boto3 takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from . import main


def archive(endpoint: str, bucket: str, prefix: str) -> S3Archive:
    return S3Archive(S3Settings(bucket=bucket, prefix=prefix, endpoint=endpoint))


def create_bucket(endpoint: str, bucket: str, _prefix: str) -> Mapping[str, Any]:
    import boto3  # no other step needs it

    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=bucket)
    return {}


def upload(endpoint: str, bucket: str, prefix: str, backup_path: str) -> Mapping[str, Any]:
    """Send a Backup Path to the bucket."""
    Uploader(Repository.open(backup_path), archive(endpoint, bucket, prefix)).sync()
    return {}


def fetch_metadata(endpoint: str, bucket: str, prefix: str, directory: str) -> Mapping[str, Any]:
    """Retrieve the metadata into an empty directory."""
    retrieve(archive(endpoint, bucket, prefix), directory)
    return {}


if __name__ == "__main__":
    main(create_bucket, upload, fetch_metadata)
