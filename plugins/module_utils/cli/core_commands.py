# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `core`: buckets and notifications (reference, section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..archive.buckets import PROVIDERS, BucketRecord
from ..archive.s3_settings import LOCK_MODES
from ..model import moment
from ..runtime import buckets, services
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, TEXT, Command, Parameter, choice
from .parameters import PREFIX, REGION, URL
from .secret import FROM_STDIN, SECRET

_BUCKET: Final = (
    Parameter("bucket_name", TEXT, "as it is called at the provider"),
    Parameter("access_key"),
    SECRET,
)
_CONFIGURATION: Final = (
    Parameter("provider", choice(*PROVIDERS)),
    Parameter("bucket_configuration_id", TEXT, "the Bucket ID that listBuckets shows"),
)
_LABEL: Final = Parameter("label", TEXT, "a name for people", "")
_NOTES: Final = Parameter("notes", TEXT, "", "")
_LOCK: Final = (
    Parameter("object_lock_mode", choice(*LOCK_MODES), "every new file is locked (Object Lock)", ""),
    Parameter("object_lock_days", INTEGER, "... for so long, and again while the backup needs it", 0),
)
_SIGNATURE: Final = Parameter("signature_version", choice("v2", "v4"), "", "v4")

_BUCKET_KINDS: Final[Mapping[str, tuple[Sequence[Parameter], Sequence[Parameter], int]]] = {
    "S3": ((_LABEL,), (REGION, URL, PREFIX, _NOTES), 1),
    "Alibaba": ((_LABEL,), (URL, PREFIX, REGION, _NOTES), 0),
    "Ceph": ((URL, _LABEL), (PREFIX, _NOTES), 0),
    "Cloudian": ((URL, _LABEL), (PREFIX, _NOTES), 0),
    "CustomS3": ((URL, _LABEL), (PREFIX, _NOTES, REGION, _SIGNATURE), 0),
    "EMC": ((URL, _LABEL), (PREFIX, _NOTES), 0),
    "MinIO": ((URL, _LABEL), (PREFIX, _NOTES, _SIGNATURE), 0),
    "ScalityS3": ((URL, _LABEL), (PREFIX, _NOTES), 0),
}
"""For each provider what comes after the secret, what is optional, and how much of that may come by position."""


def _create_bucket(provider: str, node: Node, **given: Any) -> Any:
    wanted = BucketRecord(
        bucket=given.pop("bucket_name"), secret_key=given.pop("secret"), endpoint=given.pop("url"),
        provider=provider, **given,
    )
    return {"Bucket ID": buckets.add(node, wanted).id}


def _create_bucket_command(provider: str) -> Command:
    mandatory, optional, by_position = _BUCKET_KINDS[provider]

    def run(node: Node, **given: Any) -> Any:
        return _create_bucket(provider, node, **given)

    shown = ["https://s3.example.com" if parameter is URL else "backup" for parameter in mandatory]
    return Command(
        "core", ("doCreateBucket", provider), f"keep the configuration of a bucket of {provider} under an id", run,
        (*_BUCKET, *mandatory), (*optional, *_LOCK), by_position,
        example=" ".join(["doCreateBucket", provider, "carbonio-backup", "ACCESS_KEY", FROM_STDIN, *shown]),
    )


def _list_buckets(node: Node, provider: str, show_secrets: bool) -> Any:
    return [
        {
            "bucketName": bucket["bucket"],
            "label": bucket["label"],
            "storeType": bucket["provider"],
            "url": bucket["endpoint"],
            "region": bucket["region"],
            "destinationPath": bucket["prefix"],
            "accessKey": bucket["access_key"],
            **({"secret": bucket["secret_key"]} if show_secrets else {}),
            "objectLockMode": bucket["object_lock_mode"],
            "objectLockDays": bucket["object_lock_days"],
            "notes": bucket["notes"],
            "uuid": bucket["id"],
            "usage in external backup": bucket["usage_in_external_backup"],
        }
        for bucket in buckets.listed(node, provider, show_secrets)
    ]


def _update_bucket(
    node: Node, provider: str, bucket_configuration_id: str, bucket_name: str, secret: str, url: str, **given: Any
) -> Any:
    buckets.update(
        node, provider, bucket_configuration_id, bucket=bucket_name, secret_key=secret, endpoint=url, **given
    )
    return "ok"


def _delete_bucket(node: Node, provider: str, bucket_configuration_id: str) -> Any:
    buckets.delete(node, provider, bucket_configuration_id)
    return "ok"


def _test_connection(node: Node, s3BucketConfigurationUuid: str, storeType: str) -> Any:
    buckets.test(node, s3BucketConfigurationUuid)
    return "connection ok"


def _notifications(node: Node, id: str) -> Any:
    found = [node.notifications().get(id)] if id else node.notifications().list()
    return [
        {
            "id": note.id, "server": note.node, "date": moment.vendor(note.at, node.settings.time_zone),
            "type": note.type, "subject": note.subject, "sent to": list(note.sent_to), "error": note.error,
            **({"text": note.text} if id else {}),
        }
        for note in found
    ]


def _all_services(node: Node) -> Any:
    return {"backup": services.shown(node)}


COMMANDS: Final = (
    *map(_create_bucket_command, _BUCKET_KINDS),
    Command(
        "core", ("testS3Connection",), "write, read and delete a file in a bucket", _test_connection,
        (Parameter("s3BucketConfigurationUuid", TEXT, "the Bucket ID that listBuckets shows"),),
        (Parameter("storeType", TEXT, "accepted; the configuration tells it", ""),),
    ),
    Command(
        "core", ("doUpdateBucket",), "give a bucket configuration other data, once tried", _update_bucket,
        _CONFIGURATION,
        (*(one._replace(default="") for one in _BUCKET), REGION, URL, *_LOCK),
        example="doUpdateBucket S3 <BUCKET_VOLUME_ID> access_key ACCESS_KEY secret -",
    ),
    Command(
        "core", ("doDeleteBucket",), "forget a bucket configuration; the bucket itself stays", _delete_bucket,
        _CONFIGURATION,
    ),
    Command(
        "core", ("listBuckets",), "show the bucket configurations", _list_buckets,
        (Parameter("provider", choice("all", *PROVIDERS), "which ones"),),
        (Parameter("show_secrets", BOOLEAN, "", False),), example="listBuckets all",
    ),
    Command("core", ("getAllServicesStatus",), "show the services of all modules of this node", _all_services),
    Command(
        "core", ("getNotification",), "list the notifications, or show one", _notifications,
        optional=(Parameter("id", TEXT, "the one to show", ""),),
    ),
)
