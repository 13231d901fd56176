# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive in an S3 bucket: AWS or any S3-compatible server."""

from __future__ import annotations

import base64
import functools
import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import IO, Any, Union

from ..model.errors import Locked, NotFound, Refused, RestanteError, Unavailable
from .files import Hashed, reading
from .port import Archive, StoredFile
from .s3_client import S3Settings, connect, error_code, explained

__all__ = ["S3Archive", "S3Settings"]

Body = Union[bytes, IO[bytes]]

_TAKEN = frozenset(("PreconditionFailed", "412"))
_RACE = frozenset(("ConditionalRequestConflict", "OperationAborted"))
"""What AWS answers while another request for the same name is being carried out."""


class S3Archive(Archive):
    """Files of a bucket, under a prefix. Makes no request when constructed.

    :raises InvalidInput: boto3 is missing, or a setting cannot be used.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._prefix = settings.prefix.strip("/") + "/" if settings.prefix.strip("/") else ""
        self._bucket_seen = False

    def __repr__(self) -> str:
        return f"S3Archive({self.describe()})"

    def describe(self) -> str:
        return self._settings.where()

    def put(self, name: str, data: bytes) -> None:
        self._put(self._client, name, data, len(data), hashlib.sha256(data).digest())

    def put_file(self, name: str, path: str, sha256: str) -> None:
        with reading(path) as file:
            source = Hashed(file, path)
            while source.read(1 << 20):
                pass
            size = file.tell()
            file.seek(0)
            self._put(self._client, name, file, size, source.checked(sha256))

    def put_new(self, name: str, data: bytes) -> bool:
        for pause in self._pauses():
            try:
                self._put(self._careful_client, name, data, len(data), hashlib.sha256(data).digest())
                return True
            except Refused as error:
                code = error_code(error.__cause__)
                if code in _TAKEN:
                    break
                if code not in _RACE or pause is None:
                    raise
                time.sleep(pause)
        # A request that timed out may have succeeded, and its retry then met itself.
        return self.get(name) == data

    def get(self, name: str) -> bytes:
        return self._read(name, {})[0]

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        try:
            data, partial = self._read(name, {"Range": f"bytes={offset}-{offset + length - 1}"})
        except Refused as error:
            if error_code(error.__cause__) in ("InvalidRange", "416"):  # the file ends before it
                return b""
            raise
        return data if partial else data[offset:offset + length]

    def size(self, name: str) -> int | None:
        found = self._head(name)
        return None if found is None else int(found["ContentLength"])

    def stored_at(self, name: str) -> int | None:
        found = self._head(name)
        return None if found is None else int(found["LastModified"].timestamp() * 1000)

    def _key(self, name: str) -> dict[str, Any]:
        """Return what names a file in a request."""
        return {"Bucket": self._settings.bucket, "Key": self._prefix + name}

    def _where(self, name: str) -> dict[str, Any]:
        """Return what names a file in a request that reads it."""
        return self._key(name)

    def _kept(self) -> dict[str, Any]:
        """Return what a request that writes says of how long the file must be kept."""
        return {}

    def _head(self, name: str) -> Any:
        try:
            with explained(self._settings, "look for", name):
                return self._client.head_object(**self._where(name))
        except NotFound:
            self._check_bucket()
            return None

    def list(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._settings.bucket,
            Prefix=self._prefix + prefix,
            StartAfter=self._prefix + after if after else "",
        )
        with explained(self._settings, "list"):
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield StoredFile(entry["Key"][len(self._prefix):], entry["Size"])

    def folders(self) -> Sequence[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._settings.bucket, Prefix=self._prefix, Delimiter="/"
        )
        with explained(self._settings, "list"):
            return sorted(
                entry["Prefix"][len(self._prefix):-1] for page in pages for entry in page.get("CommonPrefixes", ())
            )

    def delete(self, name: str) -> None:
        with explained(self._settings, "delete", name):
            self._client.delete_object(**self._key(name))

    def erase(self, name: str) -> None:
        refused: Refused | None = None
        for version in self._versions(name):
            where: Any = {**self._key(name), **version}
            try:
                with explained(self._settings, "delete", name):
                    self._client.delete_object(**where)
            except Refused as error:
                until = self._locked_until(where)
                refused = Locked(f"{name} is locked in {self.describe()} until {until}.") if until else error
        if refused is not None:
            raise refused

    def _versions(self, name: str) -> Sequence[dict[str, str]]:
        """Return what names each version of a file, delete markers too; nothing where the store does not tell."""
        key = self._prefix + name
        try:
            with explained(self._settings, "list", name):
                pages = self._client.get_paginator("list_object_versions").paginate(
                    Bucket=self._settings.bucket, Prefix=key
                )
                return [
                    {"VersionId": version["VersionId"]} for page in pages
                    for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())) if version["Key"] == key
                ]
        except Refused:  # not permitted, or a store that knows nothing of versions
            return [{}]

    def _locked_until(self, where: Any) -> str:
        """Return until when a version of a file must not be deleted; empty where that is not what keeps it."""
        try:
            with explained(self._settings, "look for", where["Key"]):
                found: Any = self._client.head_object(**where)
        except RestanteError:
            return ""
        if found.get("ObjectLockLegalHoldStatus") == "ON":
            return "its legal hold is lifted"
        until = found.get("ObjectLockRetainUntilDate")
        if until is None or until < datetime.now(timezone.utc):
            return ""
        return f"{until.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"

    @functools.cached_property
    def _careful_client(self) -> Any:
        """A client of its own, because the boto3 that distributions ship cannot ask for the condition in a call."""
        client = connect(self._settings)
        client.meta.events.register("before-call.s3.PutObject", _never_overwrite)
        return client

    def _put(self, client: Any, name: str, body: Body, size: int, digest: bytes) -> None:
        arguments = self._kept()
        if self._settings.storage_class and size >= self._settings.storage_class_from:
            arguments["StorageClass"] = self._settings.storage_class
        with explained(self._settings, "write", name):
            client.put_object(
                **self._key(name),
                Body=body,
                ContentLength=size,
                ChecksumAlgorithm="SHA256",  # without it, a bucket with Object Lock refuses files
                ChecksumSHA256=base64.b64encode(digest).decode(),
                **arguments,
            )

    def _read(self, name: str, arguments: dict[str, Any]) -> tuple[bytes, bool]:
        """Return the content, and whether it is only the range that was asked for: a server may ignore Range."""
        for pause in self._pauses():
            with explained(self._settings, "read", name):
                answer = self._client.get_object(**{**self._where(name), **arguments})
            try:
                with explained(self._settings, "read", name):
                    return answer["Body"].read(), "ContentRange" in answer
            except Unavailable:  # boto3 tries again until the answer begins, but not when it breaks off later
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("the last pause is None")

    def _pauses(self) -> Iterator[float | None]:
        """Yield the seconds to wait after each attempt that failed, None after the last one."""
        for attempt in range(self._settings.attempts - 1):
            yield min(0.1 * 2 ** attempt, 5)
        yield None

    def _check_bucket(self) -> None:
        """Tell a missing bucket from a missing file: the answers to HEAD are the same."""
        if not self._bucket_seen:
            try:
                with explained(self._settings, "look for"):
                    self._client.head_bucket(Bucket=self._settings.bucket)
            except NotFound as error:
                raise NotFound(
                    f"There is no bucket {self._settings.bucket} at {self._settings.endpoint or 'AWS'}. Check its "
                    "name, or create it."
                ) from error
            self._bucket_seen = True


def _never_overwrite(params: dict[str, Any], **_unused: object) -> None:
    params["headers"]["If-None-Match"] = "*"
