# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Buckets of a node: the bucket at the provider, and its configuration under an id."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from ..archive.bucket_admin import BucketAdmin, BucketState, Encryption, LifecycleRule, ObjectLock, Present, plan
from ..archive.buckets import BucketRecord, checked
from ..archive.locked import bucket_archive
from ..archive.probe import probe, probe_connection
from ..model.errors import InvalidInput, NotFound, Refused
from .call import Call
from .node import Node


def find(node: Node, bucket_id: str, label: str) -> BucketRecord | None:
    """Return the configuration with an id, or else with a label; None where there is none."""
    return node.buckets.get(bucket_id) if bucket_id else node.buckets.find(label)


def add(node: Node, record: BucketRecord) -> BucketRecord:
    """Keep a new configuration of a bucket that is there, after a probe.

    :raises NotFound: there is no such bucket (R-308). :raises AlreadyExists: the label is taken.
    :raises Refused: the bucket cannot be reached, or lets two writers overwrite each other.
    """
    record = checked(record)
    present = BucketAdmin(record.settings()).present()
    if present is None:
        raise _missing(record)
    record = with_lock(record, present)
    probe(bucket_archive(record.settings()))
    return node.buckets.add(record)


def update(node: Node, provider: str, bucket_id: str, **changes: Any) -> BucketRecord:
    """Give a configuration other data, after a probe with them; what is empty is left alone.

    :raises NotFound: there is no such configuration, or no such bucket. :raises InvalidInput: it is not of this
        provider. :raises Refused: as add.
    """
    present = _of_provider(node, provider, bucket_id)
    given: dict[str, Any] = {name: value for name, value in changes.items() if value}
    wanted = checked(dataclasses.replace(present, **given))
    if wanted != present:
        there = BucketAdmin(wanted.settings()).present()
        if there is None:
            raise _missing(wanted)
        wanted = with_lock(wanted, there)
        probe(bucket_archive(wanted.settings()))
        node.buckets.update(present.id, **dataclasses.asdict(wanted))
    return wanted


def delete(node: Node, provider: str, bucket_id: str) -> None:
    """Forget a configuration; the bucket itself is not touched.

    :raises NotFound: there is none. :raises InvalidInput: it is not of this provider. :raises Refused: it is in use.
    """
    forget(node, _of_provider(node, provider, bucket_id).id, "", dry_run=False)


def _of_provider(node: Node, provider: str, bucket_id: str) -> BucketRecord:
    record = node.bucket(bucket_id)
    if record.provider != provider:
        raise InvalidInput(f"The bucket configuration {record.id} is one of {record.provider}, not of {provider}.")
    return record


FEWEST_LOCK_DAYS: Final = 7

INFREQUENT: Final = "STANDARD_IA"
TIERING: Final = "INTELLIGENT_TIERING"


def choose_storage_class(
    node: Node, bucket_id: str = "", *, infrequent_access: bool | None = None, threshold: int | None = None,
    intelligent_tiering: bool | None = None,
) -> BucketRecord:
    """Choose the storage class of the files that are written to a bucket from now on (R-292).

    :param bucket_id: id or label of its configuration; empty for that of the node's backup volume.
    :param infrequent_access: STANDARD_IA, or not; None leaves it alone, as with the others.
    :param threshold: bytes; smaller files stay in the bucket's own class.
    :param intelligent_tiering: INTELLIGENT_TIERING, or not.
    :raises InvalidInput: both classes at once. :raises NotFound: there is no such configuration.
    """
    if infrequent_access and intelligent_tiering:
        raise InvalidInput("A file has one storage class: use infrequent access or intelligent tiering.")
    if not bucket_id and node.settings.backup_volume.type != "s3":
        raise InvalidInput("The backup of this node goes to no bucket; setBackupVolume chooses one.")
    record = node.bucket(bucket_id or node.settings.backup_volume.bucket_configuration_id)
    wanted = record.storage_class
    for chosen, name in ((infrequent_access, INFREQUENT), (intelligent_tiering, TIERING)):
        if chosen:
            wanted = name
        elif chosen is False and wanted == name:
            wanted = ""
    bound = record.storage_class_from if threshold is None else threshold
    return node.buckets.update(record.id, storage_class=wanted, storage_class_from=bound)[0]


def ensure(
    node: Node, present: BucketRecord | None, wanted: BucketRecord, desired: BucketState, create: bool, dry_run: bool
) -> dict[str, Any]:
    """Make a bucket and its configuration be as wanted.

    :param present: the configuration as it is; None where there is none.
    :param create: make the bucket where there is none; otherwise that is an error.
    :return: changed, bucket_configuration_id, bucket (without secrets), steps and unsupported settings.
    :raises RestanteError: as add, but for AlreadyExists.
    """
    desired.check()
    wanted = checked(wanted)
    admin = BucketAdmin(wanted.settings())
    there = admin.present()
    if there is None and not create:
        raise _missing(wanted)
    if there is not None and desired.object_lock is None:
        wanted = with_lock(wanted, there)
    steps = plan(desired, there)
    unsupported = dict(there.unsupported) if there else {}
    differs = wanted != present
    told: list[str] = []
    if not dry_run:
        unsupported.update(admin.apply(steps))
        if differs or steps:
            told = probe(bucket_archive(wanted.settings()))
            if wanted.settings().is_in_the_clear:
                told.append(
                    f"{wanted.endpoint} is spoken to without TLS: who is on the line can read the backup and alter it. "
                    "Give an https:// URL."
                )
            if 0 < wanted.object_lock_days < FEWEST_LOCK_DAYS:
                told.append(
                    f"Object Lock for {wanted.object_lock_days} days: locks are renewed by night, when half of their "
                    f"time is over, and may end where a night is missed. Give at least {FEWEST_LOCK_DAYS} days."
                )
        if present is None:
            wanted = node.buckets.add(wanted)
        elif differs:
            wanted, _changed = node.buckets.update(present.id, **dataclasses.asdict(wanted))
    done = [step for step in steps if step.setting not in unsupported]
    return {
        "changed": differs or bool(done),
        "bucket_configuration_id": wanted.id,
        "bucket": wanted.public(),
        "steps": [f"{step.setting}: {step.before} -> {step.after}" for step in done],
        "unsupported": unsupported,
        "warnings": told + [
            f"{setting} was not set: {reason}" for setting, reason in unsupported.items()
            if getattr(desired, setting, None) is not None
        ],
        "diff": {"before": _shown(present, present), "after": _shown(wanted, present)},
    }


def answer(call: Call) -> dict[str, Any]:
    """Answer the module bucket."""
    node = call.node()
    label = call["label"] or call["bucket_name"] or ""
    bucket_id = call["bucket_configuration_id"] or ""
    if call["state"] == "absent":
        return forget(node, bucket_id, label, call.check_mode)
    present = find(node, bucket_id, label)
    given = {field: call[option] for field, option in _OPTIONS.items() if call[option] is not None}
    lock = call["object_lock_mode"]
    desired = BucketState(
        versioning=call["versioning"],
        encryption=Encryption(call["encryption"], call["kms_key"]) if call["encryption"] else None,
        public_access_blocked=call["public_access_blocked"],
        lifecycle=(
            None if call["lifecycle"] is None else tuple(sorted(LifecycleRule(**rule) for rule in call["lifecycle"]))
        ),
        object_lock=ObjectLock(lock, call["object_lock_days"] or 0) if lock else None,
    )
    wanted = dataclasses.replace(present or BucketRecord("", id=bucket_id), **given)
    return ensure(node, present, wanted, desired, call["create"], call.check_mode)


_OPTIONS: Final = {
    "bucket": "bucket_name", "label": "label", "provider": "provider", "endpoint": "url", "region": "region",
    "prefix": "prefix", "access_key": "access_key", "secret_key": "secret", "profile": "profile",
    "signature_version": "signature_version", "storage_class": "storage_class",
    "storage_class_from": "storage_class_from", "ca_file": "ca_file", "notes": "notes",
    "object_lock_mode": "object_lock_mode", "object_lock_days": "object_lock_days",
}
"""The module's options by the fields of a configuration."""


def with_lock(record: BucketRecord, there: Present) -> BucketRecord:
    """Return a configuration that knows the Object Lock of its bucket: by that alone it is read and written rightly.

    :raises Refused: it is to lock files, and the bucket cannot.
    """
    lock = there.state.object_lock
    if record.object_lock_mode and lock is None and "object_lock" not in there.unsupported:
        raise Refused(
            f"The bucket {record.bucket} has no Object Lock. Have a new one created with it, or leave out "
            "object_lock_mode."
        )
    if record.object_lock_mode or lock is None or not lock.mode:
        return record
    return checked(dataclasses.replace(record, object_lock_mode=lock.mode, object_lock_days=lock.days))


def _missing(record: BucketRecord) -> NotFound:
    return NotFound(f"There is no bucket {record.bucket} at the provider; create it, or correct its name.")


def _shown(record: BucketRecord | None, before: BucketRecord | None) -> dict[str, Any]:
    """Return a configuration for people: of the secret only whether it is another one."""
    if record is None:
        return {}
    same = before is not None and record.secret_key == before.secret_key
    return {**record.public(), "secret": "(not shown)" if same else "(not shown, another one)"}


def forget(node: Node, bucket_id: str, label: str, dry_run: bool) -> dict[str, Any]:
    """Forget a configuration; the bucket itself is not touched. :raises Refused: the node's backup uses it."""
    try:
        record = find(node, bucket_id, label)
    except NotFound:
        record = None
    if record is None:
        return {"changed": False, "diff": {"before": {}, "after": {}}}
    volume = node.settings.backup_volume
    if volume.type == "s3" and volume.bucket_configuration_id == record.id:
        raise Refused(
            f"The bucket configuration {record.id} is this node's backup volume. Choose another volume first."
        )
    if not dry_run:
        node.buckets.remove(record.id)
    return {"changed": True, "diff": {"before": record.public(), "after": {}}}


def test(node: Node, bucket_id: str) -> None:
    """Write, read and delete a file in a configured bucket (R-309). :raises RestanteError: it cannot be done."""
    probe_connection(bucket_archive(node.bucket(bucket_id).settings()))


def info(node: Node, provider: str, tested: str) -> dict[str, Any]:
    """Answer the module bucket_info."""
    if tested:
        test(node, tested)
    return {"buckets": listed(node, provider), **({"connection": "connection ok"} if tested else {})}


def listed(node: Node, provider: str = "all", show_secrets: bool = False) -> list[dict[str, Any]]:
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
