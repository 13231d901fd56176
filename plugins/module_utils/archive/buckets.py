# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bucket configurations: what this node knows of remote buckets, kept under an id (reference, 3.4 and C-11)."""

from __future__ import annotations

import dataclasses
import fcntl
import io
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ..model import foreign
from ..model.errors import AlreadyExists, InvalidInput, NotFound
from .files import explained, reading, store
from .s3_settings import LOCK_MODES, STORAGE_CLASS_FROM, S3Settings

PROVIDERS: Final[Mapping[str, str]] = {
    "S3": "",
    "CustomS3": "",
    "ScalityS3": "",
    "EMC": "",
    "Cloudian": "",
    "Ceph": "",
    "MinIO": "",
    "Alibaba": "https://oss-{region}.aliyuncs.com",
    "Yandex": "https://storage.yandexcloud.net",
}
"""The vendor's names of providers, with the endpoint where the name tells it. S3 is AWS unless told otherwise."""

_WITHOUT_ENDPOINT = ("S3", "Alibaba", "Yandex")
_HOST_STYLE = ("Alibaba",)
"""Providers that refuse the bucket's name in the path."""


@dataclasses.dataclass(frozen=True)
class BucketRecord:
    """One bucket configuration. The secret never shows in its repr."""

    bucket: str
    """The bucket's name at the provider."""
    label: str = ""
    """A name for people, unique on this node; the bucket's where none is given."""
    provider: str = "S3"
    endpoint: str = ""
    region: str = ""
    prefix: str = ""
    access_key: str = ""
    """Empty, with the secret, where the credentials come from the environment, the profile or an instance role."""
    secret_key: str = dataclasses.field(default="", repr=False)
    profile: str = ""
    signature_version: str = "v4"
    storage_class: str = ""
    """Of new files (R-292); empty for the bucket's own."""
    storage_class_from: int = STORAGE_CLASS_FROM
    """Bytes; smaller files get the bucket's own storage class."""
    ca_file: str = ""
    object_lock_mode: str = ""
    """GOVERNANCE or COMPLIANCE, where files are locked when they are written; the bucket has Object Lock then."""
    object_lock_days: int = 0
    """How long a file is locked; while the backup needs it, that is renewed."""
    notes: str = ""
    id: str = ""
    """A UUID, given by the registry."""

    def public(self) -> dict[str, Any]:
        """Return all but the secret, as a JSON object."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "secret_key"}

    def settings(self, *folders: str) -> S3Settings:
        """Return how to reach the bucket.

        :param folders: what comes between the bucket's prefix and the files: volume prefix, server id; may be empty.
        """
        prefix = "/".join(part.strip("/") for part in (self.prefix, *folders) if part.strip("/"))
        return S3Settings(
            bucket=self.bucket,
            prefix=prefix,
            region=self.region,
            endpoint=self.endpoint or PROVIDERS[self.provider].format(region=self.region),
            access_key=self.access_key,
            secret_key=self.secret_key,
            profile=self.profile,
            signature_version=self.signature_version,
            addressing="virtual" if self.provider in _HOST_STYLE else "",
            storage_class=self.storage_class,
            storage_class_from=self.storage_class_from,
            ca_file=self.ca_file,
            lock_mode=self.object_lock_mode,
            lock_seconds=self.object_lock_days * 24 * 3600,
        )


_FIELDS = frozenset(field.name for field in dataclasses.fields(BucketRecord))


def checked(record: BucketRecord) -> BucketRecord:
    """Return a configuration in its one written form: the provider's case, the version's case, a label.

    :raises InvalidInput: something is missing or unknown.
    """
    names = {name.lower(): name for name in PROVIDERS}
    provider = names.get(record.provider.lower())
    if provider is None:
        raise InvalidInput(f"Provider {record.provider!r} is unknown. Known are {', '.join(PROVIDERS)}.")
    if not record.bucket:
        raise InvalidInput("The name of the bucket is missing.")
    if not record.endpoint and provider not in _WITHOUT_ENDPOINT:
        raise InvalidInput(f"A bucket of provider {provider} needs the URL of its server.")
    if provider == "Alibaba" and not (record.region or record.endpoint):
        raise InvalidInput("A bucket of provider Alibaba needs its region or the URL of its server.")
    if record.storage_class_from < 0:
        raise InvalidInput("The size from which files get the storage class is 0 bytes or more.")
    if bool(record.access_key) != bool(record.secret_key):
        raise InvalidInput("Give the access key and the secret, or none of them.")
    mode = record.object_lock_mode.upper()
    if mode not in ("", *LOCK_MODES):
        raise InvalidInput(f"Lock mode {record.object_lock_mode!r} is unknown: it is {' or '.join(LOCK_MODES)}.")
    if bool(mode) != (record.object_lock_days > 0):
        raise InvalidInput("Object Lock takes a mode and a number of days, or none of them.")
    return dataclasses.replace(
        record,
        provider=provider,
        object_lock_mode=mode,
        signature_version=record.signature_version.lower(),
        label=record.label or record.bucket,
    )


class BucketRegistry:
    """The bucket configurations of a node, in one JSON file that only its owner can read.

    :param path: the file; its directory exists, itself perhaps not yet.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    def records(self) -> Sequence[BucketRecord]:
        """Return all configurations, by label."""
        return sorted(self._load().values(), key=lambda record: (record.label, record.id))

    def get(self, bucket_id: str) -> BucketRecord:
        """Return one configuration.

        :raises NotFound: there is none with this id.
        """
        record = self._load().get(bucket_id.lower())
        if record is None:
            raise NotFound(f"There is no bucket configuration {bucket_id!r}. See the list of buckets for the ids.")
        return record

    def find(self, label: str) -> BucketRecord | None:
        """Return the configuration with this label."""
        return next((record for record in self.records() if record.label == label), None)

    def add(self, record: BucketRecord) -> BucketRecord:
        """Keep a configuration and return it with its id, a new one unless it has one already.

        :raises AlreadyExists: the label or the id is taken. :raises InvalidInput: see checked.
        """
        record = checked(dataclasses.replace(record, id=(record.id or str(uuid.uuid4())).lower()))
        with self._changing() as records:
            if record.id in records:
                raise AlreadyExists(f"There is a bucket configuration {record.id} already.")
            _keep(record, records)
        return record

    def update(self, bucket_id: str, **changes: Any) -> tuple[BucketRecord, bool]:
        """Change fields of a configuration; return it, and whether that made a difference.

        :raises NotFound: there is none with this id. :raises AlreadyExists: the label is taken.
        :raises InvalidInput: see checked.
        """
        before = self.get(bucket_id)
        after = checked(dataclasses.replace(before, **changes))
        if after != before:
            with self._changing() as records:
                _keep(after, records)
        return after, after != before

    def remove(self, bucket_id: str) -> None:
        """Forget a configuration; the bucket itself is not touched.

        :raises NotFound: there is none with this id.
        """
        self.get(bucket_id)
        with self._changing() as records:
            records.pop(bucket_id.lower(), None)

    def _load(self) -> dict[str, BucketRecord]:
        try:
            with reading(self._path) as file:
                content: Mapping[str, Any] = foreign.parse(file.read())
            records = [
                checked(foreign.record(BucketRecord, {key: value for key, value in one.items() if key in _FIELDS}))
                for one in content["buckets"]
            ]
            return {record.id: record for record in records}
        except NotFound:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{self._path} is not a file of bucket configurations. Restore it from a copy, or move it away and "
                "configure the buckets again."
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, BucketRecord]]:
        """Yield the configurations to be changed, and write them down afterwards; one process at a time."""
        directory = os.path.dirname(self._path)
        with explained("write", self._path):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                records = self._load()
                yield records
                content = json.dumps({"buckets": [dataclasses.asdict(record) for record in records.values()]}, indent=1)
                store(io.BytesIO(content.encode()), self._path, directory, overwrite=True)
            finally:
                os.close(lock)


def _keep(record: BucketRecord, records: dict[str, BucketRecord]) -> None:
    if any(other.label == record.label and other.id != record.id for other in records.values()):
        raise AlreadyExists(f"There is a bucket configuration labelled {record.label!r} already. Choose another label.")
    records[record.id] = record
