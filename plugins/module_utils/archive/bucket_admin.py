# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bucket itself: bringing it into a desired state, and saying what the server cannot do."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.errors import AlreadyExists, InvalidInput, NotFound, Refused, RestanteError, Unavailable
from .s3_client import connect, error_code, explained
from .s3_settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class LifecycleRule(NamedTuple):
    """What the store removes by itself. Days of 0 mean never."""

    id: str
    prefix: str = ""
    expire_days: int = 0
    """Days after which files are removed. Never use it on a backup's own prefix."""
    noncurrent_days: int = 0
    """Days after which replaced or deleted versions are removed."""
    abort_upload_days: int = 0
    """Days after which parts of unfinished uploads are removed."""


class Encryption(NamedTuple):
    """How the store encrypts what it keeps: AES256, aws:kms, or empty for not at all."""

    algorithm: str = ""
    key: str = ""
    """The KMS key's id; empty for the account's default."""


class ObjectLock(NamedTuple):
    """Default retention of new files."""

    mode: str = ""
    """GOVERNANCE, COMPLIANCE, or empty for a lock without default retention."""
    days: int = 0


@dataclasses.dataclass(frozen=True)
class BucketState:
    """The settings of a bucket: desired ones, where None means "as it is", or present ones, where None means "not set".

    Object Lock can be had at the bucket's creation; many servers refuse it later.
    """

    versioning: bool | None = None
    encryption: Encryption | None = None
    public_access_blocked: bool | None = None
    lifecycle: tuple[LifecycleRule, ...] | None = None
    object_lock: ObjectLock | None = None

    def check(self) -> None:
        """Raise InvalidInput where the desired state is none that a bucket can have."""
        if self.encryption and self.encryption.algorithm not in ("", "AES256", "aws:kms"):
            raise InvalidInput(f"Encryption {self.encryption.algorithm!r} is unknown: it is AES256 or aws:kms.")
        if self.object_lock and self.object_lock.mode not in ("", "GOVERNANCE", "COMPLIANCE"):
            raise InvalidInput(f"Lock mode {self.object_lock.mode!r} is unknown: it is GOVERNANCE or COMPLIANCE.")
        if self.object_lock and bool(self.object_lock.mode) != (self.object_lock.days > 0):
            raise InvalidInput("Object Lock takes a mode and a number of days, or none of them.")
        if self.object_lock and self.versioning is False:
            raise InvalidInput("Object Lock needs versioning: do not switch it off.")
        for rule in self.lifecycle or ():
            if not (rule.expire_days or rule.noncurrent_days or rule.abort_upload_days):
                raise InvalidInput(f"Lifecycle rule {rule.id!r} has no days.")


class Present(NamedTuple):
    """What a bucket is like now."""

    state: BucketState
    unsupported: Mapping[str, str]
    """The settings that the server cannot tell of, with its answer."""


class Step(NamedTuple):
    """One change to a bucket: its creation ("bucket"), or a setting by its field name in BucketState."""

    setting: str
    before: Any
    after: Any


def plan(desired: BucketState, present: Present | None) -> Sequence[Step]:
    """Return what has to change, in order. No I/O.

    :param present: None where there is no bucket.
    """
    steps = [] if present else [Step("bucket", None, desired.object_lock is not None)]
    now = present.state if present else BucketState()
    for field in dataclasses.fields(BucketState):
        before, after = getattr(now, field.name), getattr(desired, field.name)
        if after is not None and after != (_UNSET[field.name] if before is None else before):
            steps.append(Step(field.name, before, after))
    return [step for step in steps if not present or step.setting not in present.unsupported]


_UNSET: Mapping[str, Any] = {
    "versioning": False,
    "encryption": Encryption(),
    "public_access_blocked": False,
    "lifecycle": (),
    "object_lock": None,
}
"""Desired values that an unset setting already has."""


class BucketAdmin:
    """Looks at a bucket and changes it.

    :raises InvalidInput: boto3 is missing, or a setting cannot be used.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._client = connect(settings)

    def present(self) -> Present | None:
        """Return what the bucket is like, None where there is none.

        :raises Refused, Unavailable: it cannot be looked at.
        """
        try:
            with explained(self._settings, "look for"):
                self._client.head_bucket(Bucket=self._settings.bucket)
        except NotFound:
            return None
        values, unsupported = {}, {}
        for setting, (read, _unused) in _SETTINGS.items():
            try:
                values[setting] = self._read(setting, read)
            except RestanteError as error:
                if _tells_nothing(error):
                    raise
                unsupported[setting] = str(error)
        return Present(BucketState(**values), unsupported)

    def apply(self, steps: Sequence[Step]) -> Mapping[str, str]:
        """Carry out a plan; return the settings that the server does not support, with its answer.

        A setting counts as supported when the server gives it back: some accept any request and keep nothing.

        :raises AlreadyExists: the bucket is someone else's. :raises Refused, Unavailable: it cannot be created.
        """
        failed = {}
        for step in steps:
            if step.setting == "bucket":
                self._create(object_lock=step.after)
                continue
            read, write = _SETTINGS[step.setting]
            try:
                with explained(self._settings, f"set {step.setting} of"):
                    write(self._client, self._settings.bucket, step.after)
                kept = self._read(step.setting, read)
                if (_UNSET[step.setting] if kept is None else kept) != step.after:
                    failed[step.setting] = f"{self._settings.where()} took {step.setting} and did not keep it."
                elif step.setting == "public_access_blocked" and step.after and not self._takes_files():
                    write(self._client, self._settings.bucket, False)
                    failed[step.setting] = (
                        f"{self._settings.where()} then refuses all files, public or not (radosgw 16 does); it was "
                        "switched off again."
                    )
            except RestanteError as error:
                if _tells_nothing(error):
                    raise
                failed[step.setting] = str(error)
        return failed

    def _read(self, setting: str, read: Callable[[S3Client, str], Any]) -> Any:
        with explained(self._settings, f"read {setting} of"):
            try:
                return read(self._client, self._settings.bucket)
            except Exception as error:
                if error_code(error) in _NOT_SET:
                    return None
                raise

    def _takes_files(self) -> bool:
        name = f"{self._settings.prefix.strip('/')}/probe/{uuid.uuid4().hex}".lstrip("/")
        try:
            with explained(self._settings, "write", name):
                self._client.put_object(
                    Bucket=self._settings.bucket, Key=name, Body=b"probe", ChecksumAlgorithm="SHA256"
                )
                self._client.delete_object(Bucket=self._settings.bucket, Key=name)
            return True
        except Refused:
            return False

    def _create(self, object_lock: bool) -> None:
        arguments: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if object_lock else {}
        if not self._settings.endpoint and self._settings.region not in ("", "us-east-1"):
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": self._settings.region}
        try:
            with explained(self._settings, "create"):
                self._client.create_bucket(Bucket=self._settings.bucket, **arguments)
        except RestanteError as error:
            code = error_code(error.__cause__)
            if code == "BucketAlreadyExists":
                raise AlreadyExists(
                    f"There is a bucket {self._settings.bucket} of someone else. Choose another name."
                ) from error
            if code != "BucketAlreadyOwnedByYou":
                raise


_NOT_OFFERED = frozenset(("NotImplemented", "501"))


def _tells_nothing(error: RestanteError) -> bool:
    """Return whether an error says nothing of what the server supports: there was no answer, or it is overloaded."""
    code = error_code(error.__cause__)
    return not code or (isinstance(error, Unavailable) and code not in _NOT_OFFERED)


_NOT_SET = frozenset((
    "ServerSideEncryptionConfigurationNotFoundError", "NoSuchPublicAccessBlockConfiguration",
    "NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError",
))


def _read_versioning(client: S3Client, bucket: str) -> bool:
    return client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"


def _write_versioning(client: S3Client, bucket: str, enabled: bool) -> None:
    client.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled" if enabled else "Suspended"}
    )


def _read_encryption(client: S3Client, bucket: str) -> Encryption | None:
    rules = client.get_bucket_encryption(Bucket=bucket).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    default = rules[0].get("ApplyServerSideEncryptionByDefault") if rules else None
    return Encryption(default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID", "")) if default else None


def _write_encryption(client: S3Client, bucket: str, encryption: Encryption) -> None:
    if not encryption.algorithm:
        client.delete_bucket_encryption(Bucket=bucket)
        return
    default: Any = {"SSEAlgorithm": encryption.algorithm}
    if encryption.key:
        default["KMSMasterKeyID"] = encryption.key
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )


_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _read_public_access(client: S3Client, bucket: str) -> bool:
    blocks: Mapping[str, Any] = client.get_public_access_block(Bucket=bucket).get("PublicAccessBlockConfiguration", {})
    return all(blocks.get(block) for block in _BLOCKS)


def _write_public_access(client: S3Client, bucket: str, blocked: bool) -> None:
    blocks: Any = dict.fromkeys(_BLOCKS, blocked)
    client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocks)


def _read_lifecycle(client: S3Client, bucket: str) -> tuple[LifecycleRule, ...]:
    return tuple(sorted(
        LifecycleRule(
            id=rule.get("ID", ""),
            prefix=rule.get("Filter", {}).get("Prefix", rule.get("Prefix", "")),
            expire_days=rule.get("Expiration", {}).get("Days", 0),
            noncurrent_days=rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0),
            abort_upload_days=rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation", 0),
        )
        for rule in client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
        if rule.get("Status") == "Enabled"
    ))


def _write_lifecycle(client: S3Client, bucket: str, rules: Sequence[LifecycleRule]) -> None:
    if not rules:
        client.delete_bucket_lifecycle(Bucket=bucket)
        return
    written: list[Any] = []
    for rule in rules:
        entry: dict[str, Any] = {"ID": rule.id, "Filter": {"Prefix": rule.prefix}, "Status": "Enabled"}
        if rule.expire_days:
            entry["Expiration"] = {"Days": rule.expire_days}
        if rule.noncurrent_days:
            entry["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.noncurrent_days}
        if rule.abort_upload_days:
            entry["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.abort_upload_days}
        written.append(entry)
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": written})


def _read_object_lock(client: S3Client, bucket: str) -> ObjectLock | None:
    lock = client.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration", {})
    if lock.get("ObjectLockEnabled") != "Enabled":
        return None
    retention = lock.get("Rule", {}).get("DefaultRetention", {})
    return ObjectLock(retention.get("Mode", ""), retention.get("Days", 0) or 365 * retention.get("Years", 0))


def _write_object_lock(client: S3Client, bucket: str, lock: ObjectLock) -> None:
    configuration: Any = {"ObjectLockEnabled": "Enabled"}
    if lock.mode:
        configuration["Rule"] = {"DefaultRetention": {"Mode": lock.mode, "Days": lock.days}}
    client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)


_SETTINGS: Mapping[str, tuple[Callable[[S3Client, str], Any], Callable[[S3Client, str, Any], None]]] = {
    "versioning": (_read_versioning, _write_versioning),
    "encryption": (_read_encryption, _write_encryption),
    "public_access_blocked": (_read_public_access, _write_public_access),
    "lifecycle": (_read_lifecycle, _write_lifecycle),
    "object_lock": (_read_object_lock, _write_object_lock),
}
"""How each setting is read and written, in the order of writing."""
