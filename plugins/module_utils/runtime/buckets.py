# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Buckets of a node: the bucket at the provider, and its configuration under an id."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..archive.bucket_admin import BucketAdmin, BucketState, Encryption, LifecycleRule, ObjectLock, plan
from ..archive.buckets import BucketRecord, checked
from ..archive.probe import probe_conditional_writes, probe_connection
from ..archive.s3 import S3Archive
from ..model.errors import InvalidInput, NotFound, Refused
from .module import Call
from .node import Node


def find(node: Node, bucket_id: str, label: str) -> BucketRecord | None:
    """Return the configuration with an id, or else with a label; None where there is none."""
    return node.buckets.get(bucket_id) if bucket_id else node.buckets.find(label)


def ensure(
    node: Node, wanted: BucketRecord, desired: BucketState, *, create: bool, dry_run: bool, probe: bool = True
) -> dict[str, Any]:
    """Make the bucket and its configuration be as wanted.

    :param create: make the bucket where there is none; otherwise that is an error (R-308).
    :param probe: make sure that the store honours conditional writes, whenever something is new.
    :return: changed, bucket_id, bucket (without secrets), steps and unsupported settings.
    :raises Refused: the bucket cannot be reached, or lets two writers overwrite each other.
    """
    desired.check()
    wanted = checked(wanted)
    present = find(node, wanted.id, wanted.label)
    admin = BucketAdmin(wanted.settings())
    there = admin.present()
    if there is None and not create:
        raise InvalidInput(f"There is no bucket {wanted.bucket} at the provider; create it, or correct its name.")
    steps = plan(desired, there)
    new = present is None
    changes = {} if present is None else _changes(present, wanted)
    before = present.public() if present else {}
    unsupported = dict(there.unsupported) if there else {}
    if not dry_run:
        unsupported.update(admin.apply(steps))
        if probe and (new or changes or steps):
            archive = S3Archive(wanted.settings())
            probe_connection(archive)
            probe_conditional_writes(archive)
        if present is None:
            present = node.buckets.add(wanted)
        elif changes:
            present, _changed = node.buckets.update(present.id, **changes)
    shown = present if present is not None else wanted
    return {
        "changed": new or bool(changes) or bool(steps),
        "bucket_configuration_id": shown.id,
        "bucket": (shown if not dry_run else dataclasses.replace(wanted, id=shown.id)).public(),
        "steps": [f"{step.setting}: {step.before} -> {step.after}" for step in steps],
        "unsupported": unsupported,
        "diff": {"before": before, "after": (present if present and not dry_run else wanted).public()},
    }


def answer(call: Call) -> dict[str, Any]:
    """Answer the module bucket."""
    node = call.node()
    label = call["label"] or call["bucket_name"] or ""
    bucket_id = call["bucket_configuration_id"] or ""
    if call["state"] == "absent":
        return forget(node, bucket_id, label, call.check_mode)
    record = BucketRecord(
        bucket=call["bucket_name"], label=label, provider=call["provider"], endpoint=call["url"],
        region=call["region"], prefix=call["prefix"], access_key=call["access_key"], secret_key=call["secret"],
        profile=call["profile"], storage_class=call["storage_class"], ca_file=call["ca_file"] or "",
        notes=call["notes"], id=bucket_id,
    )
    lock = call["object_lock_mode"]
    desired = BucketState(
        versioning=call["versioning"],
        encryption=Encryption(call["encryption"], call["kms_key"]) if call["encryption"] else None,
        public_access_blocked=call["public_access_blocked"],
        lifecycle=None if call["lifecycle"] is None else tuple(LifecycleRule(**rule) for rule in call["lifecycle"]),
        object_lock=ObjectLock(lock, call["object_lock_days"]) if lock else None,
    )
    return ensure(node, record, desired, create=call["create"], dry_run=call.check_mode)


def forget(node: Node, bucket_id: str, label: str, dry_run: bool) -> dict[str, Any]:
    """Forget a configuration; the bucket itself is not touched. :raises Refused: the node's backup uses it."""
    try:
        record = find(node, bucket_id, label)
    except NotFound:
        record = None
    if record is None:
        return {"changed": False}
    volume = node.settings.backup_volume
    if volume.type == "s3" and volume.bucket_configuration_id == record.id:
        raise Refused(
            f"The bucket configuration {record.id} is this node's backup volume; choose another with backup_volume first."
        )
    if not dry_run:
        node.buckets.remove(record.id)
    return {"changed": True, "diff": {"before": record.public(), "after": {}}}


def test(node: Node, bucket_id: str) -> None:
    """Write, read and delete a file in a configured bucket (R-309). :raises RestanteError: it cannot be done."""
    probe_connection(S3Archive(node.buckets.get(bucket_id).settings()))


def info(node: Node, provider: str, tested: str) -> dict[str, Any]:
    """Answer the module bucket_info."""
    if tested:
        test(node, tested)
    return {"buckets": listed(node, provider), **({"connection": "connection ok"} if tested else {})}


def listed(node: Node, provider: str = "all", show_secrets: bool = False) -> list[dict[str, str]]:
    """Return the configurations of a provider, or all, with their use on this node (R-310)."""
    volume = node.settings.backup_volume
    found = []
    for record in node.buckets.records():
        if provider.lower() not in ("all", record.provider.lower()):
            continue
        used = volume.type == "s3" and volume.bucket_configuration_id == record.id
        found.append(
            {
                **record.public(),
                **({"secret_key": record.secret_key} if show_secrets else {}),
                "usage_in_external_backup": "this node" if used else "unused",
            }
        )
    return found


def _changes(present: BucketRecord, wanted: BucketRecord) -> dict[str, str]:
    return {
        field.name: getattr(wanted, field.name)
        for field in dataclasses.fields(BucketRecord)
        if field.name != "id" and getattr(wanted, field.name) != getattr(present, field.name)
    }

