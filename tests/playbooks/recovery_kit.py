# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the recovery tests are given: a node that was lost, and the variables of its recovery."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from tests.servers.endpoint import Endpoint

BUCKET = "backup-of-a"


class NodeA(NamedTuple):
    """The node that was lost: what is left of it."""

    server_id: str
    backup_path: Path
    endpoint: Endpoint
    held: Mapping[str, int]
    """What it held, by kind."""


def make_bucket(endpoint: Endpoint, name: str) -> None:
    """Make an empty bucket; one of that name is emptied."""
    s3: Any = boto3.resource(
        "s3", endpoint_url=endpoint.url, region_name="us-east-1",
        aws_access_key_id=endpoint.access_key, aws_secret_access_key=endpoint.secret_key,
    )
    bucket = s3.create_bucket(Bucket=name)
    bucket.objects.delete()


def recovery_variables(node_a: NodeA, root: Path) -> dict[str, Any]:
    """Return the variables of the recovery of node A to a node B below a directory, as its ordinary user."""
    places = ("restore", "cache", "backup", "state", "mailstore")
    return {
        "s3_recovery_become": False,
        "s3_recovery_config_file": str(root / "etc" / "restante.json"),
        **{f"s3_recovery_{place}_path": str(root / place) for place in places},
        "s3_recovery_mailstore_create": True,
        "s3_recovery_command_path": str(root / "bin" / "restante"),
        "s3_recovery_bucket_name": BUCKET,
        "s3_recovery_bucket_provider": "CustomS3",
        "s3_recovery_bucket_url": node_a.endpoint.url,
        "s3_recovery_bucket_region": "us-east-1",
        "s3_recovery_bucket_access_key": node_a.endpoint.access_key,
        "s3_recovery_bucket_secret": node_a.endpoint.secret_key,
        "s3_recovery_backup_volume": True,
        "s3_recovery_skip_system_accounts": False,
    }
