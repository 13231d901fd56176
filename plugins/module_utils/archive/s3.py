# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive in an S3 bucket: AWS or any S3-compatible server."""

from __future__ import annotations

import base64
import email.utils
import functools
import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import IO, Any, Final, Union

from ..model.errors import Damaged, Locked, NotFound, Refused, RestanteError, Unavailable
from .files import Hashed, reading
from .port import LARGEST, Archive, StoredFile
from .s3_client import connect, error_code, explained, unreadable
from .s3_settings import S3Settings

__all__ = ["S3Archive", "S3Settings"]

Body = Union[bytes, IO[bytes]]

SLOWEST: Final = 1024
"""Bytes a second. An answer that comes more slowly, for longer than a silent one is waited for, is given up."""

_VERIFIED: Final = 1024 * 1024
"""Larger files are packs, which whoever reads them holds against their name."""

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

    def put_note(self, name: str, data: bytes) -> None:
        self._put(self._client, name, data, len(data), hashlib.sha256(data).digest(), note=True)

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

    def get(self, name: str, most: int | None = None) -> bytes:
        """See Archive. What is small is held against its tag, or read until it comes the same twice.

        A commit that is altered on its way would else be taken for another writer's, or for what the backup says.

        :raises Damaged: it comes otherwise each time, or is too large.
        """
        data, answer = self._read(name, {}, most)
        for _unused in range(self._settings.attempts):
            if len(data) > _VERIFIED or _is_tagged(data, answer):
                return data
            before = data
            data, answer = self._read(name, {}, most)
            if data == before:
                return data
        raise Damaged(f"{name} in {self.describe()} comes with other bytes each time. Check the network.")

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        try:
            # A server may ignore the range, and then all of the file comes.
            most = offset + length + LARGEST
            data, answer = self._read(name, {"Range": f"bytes={offset}-{offset + length - 1}"}, most)
        except Refused as error:
            if error_code(error.__cause__) in ("InvalidRange", "416"):  # the file ends before it
                return b""
            raise
        return data if "ContentRange" in answer else data[offset:offset + length]

    def size(self, name: str) -> int | None:
        found = self._head(name)
        with explained(self._settings, "look for", name):
            return None if found is None else int(found["ContentLength"])

    def stored_at(self, name: str) -> int | None:
        found = self._head(name)
        with explained(self._settings, "look for", name):
            return None if found is None else int(found["LastModified"].timestamp() * 1000)

    def _key(self, name: str) -> dict[str, Any]:
        """Return what names a file in a request."""
        return {"Bucket": self._settings.bucket, "Key": self._prefix + name}

    def _where(self, name: str) -> dict[str, Any]:
        """Return what names a file in a request that reads it."""
        return self._key(name)

    def _kept(self, note: bool) -> dict[str, Any]:
        """Return what a request that writes says of how long the file must be kept. :param note: see put_note."""
        return {}

    def now(self) -> int:
        with explained(self._settings, "look for"):
            answer = self._client.head_bucket(Bucket=self._settings.bucket)
        try:
            date = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(error, self._settings, "read the time of", "") from error
        return int(date.timestamp() * 1000)

    def _head(self, name: str) -> Any:
        try:
            with explained(self._settings, "look for", name):
                return self._client.head_object(**self._where(name))
        except NotFound:
            self._check_bucket()
            return None

    def list(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        for page in self._pages(
            "list_objects_v2", prefix, StartAfter=self._prefix + after if after else "",
        ):
            with explained(self._settings, "list", prefix):
                files = [
                    StoredFile(
                        entry["Key"][len(self._prefix):], entry["Size"], int(entry["LastModified"].timestamp() * 1000),
                    )
                    for entry in page.get("Contents", ())
                ]
            yield from files

    def folders(self) -> Sequence[str]:
        with explained(self._settings, "list"):
            return sorted(
                entry["Prefix"][len(self._prefix):-1] for page in self._pages("list_objects_v2", "", Delimiter="/")
                for entry in page.get("CommonPrefixes", ())
            )

    def _pages(self, operation: Any, prefix: str, **arguments: str) -> Iterator[Any]:
        """Yield what a listing answers, page by page."""
        pages = self._client.get_paginator(operation).paginate(
            Bucket=self._settings.bucket, Prefix=self._prefix + prefix, **arguments
        )
        with explained(self._settings, "list", prefix):
            try:
                yield from pages
            except (ValueError, KeyError) as error:  # botocore's words for a date or a number that is none
                raise unreadable(error, self._settings, "list", prefix) from error

    def delete(self, name: str) -> None:
        with explained(self._settings, "delete", name):
            self._client.delete_object(**self._key(name))

    def erase(self, name: str) -> bool:
        refused: Refused | None = None
        hidden = False
        for version in self._versions(name):
            where: Any = {**self._key(name), **version}
            try:
                with explained(self._settings, "delete", name):
                    answer = self._client.delete_object(**where)
                # Made where no version is named: those that there are lie below it.
                hidden = hidden or bool(not version and answer.get("DeleteMarker"))
            except Refused as error:
                until = self._locked_until(where)
                refused = Locked(f"{name} is locked in {self.describe()} until {until}.") if until else error
        if refused is not None:
            raise refused
        return not hidden

    def _versions(self, name: str) -> Sequence[dict[str, str]]:
        """Return what names each version of a file, delete markers too; nothing where the store does not tell."""
        key = self._prefix + name
        try:
            with explained(self._settings, "list", name):
                found = [
                    {"VersionId": version["VersionId"]} for page in self._pages("list_object_versions", name)
                    for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())) if version["Key"] == key
                ]
        except Refused:  # not permitted, or a store that knows nothing of versions
            return [{}]
        # A listing may lag behind: what is there is deleted, listed or not.
        return found if found or self.size(name) is None else [{}]

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

    def _put(self, client: Any, name: str, body: Body, size: int, digest: bytes, note: bool = False) -> None:
        arguments = self._kept(note)
        # What is written over soon is dear in the classes that are cheap to keep.
        if self._settings.storage_class and not note and size >= self._settings.storage_class_from:
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

    def _read(self, name: str, arguments: dict[str, Any], most: int | None) -> tuple[bytes, Any]:
        """Return the content, and the rest of the answer. :param most: bytes that may come, as for get."""
        for pause in self._pauses():
            with explained(self._settings, "read", name):
                answer = self._client.get_object(**{**self._where(name), **arguments})
            try:
                with explained(self._settings, "read", name):
                    return self._content(name, answer["Body"], most), answer
            except Damaged:
                answer["Body"].close()
                raise
            except Unavailable:  # boto3 tries again until the answer begins, but not when it breaks off later
                answer["Body"].close()
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("the last pause is None")

    def _content(self, name: str, body: Any, bound: int | None) -> bytes:
        """Return the body of an answer.

        :raises Unavailable: it comes too slowly ever to end. :raises Damaged: it is too large, or never ends.
        """
        until, size, most, parts = time.monotonic() + self._settings.read_timeout, 0, 1024, []
        while part := body.read(most):
            parts.append(part)
            size, most = size + len(part), min(2 * most, 1 << 20)
            self.check_length(name, size, bound)
            if time.monotonic() > until + size / SLOWEST:
                raise Unavailable(f"Cannot read {name} in {self.describe()}: it comes too slowly. Try later.")
        return b"".join(parts)

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


def _is_tagged(data: bytes, answer: Any) -> bool:
    """Return whether a file's tag is the MD5 of these bytes; where the store encrypts, it may be something else."""
    return str(answer.get("ETag", "")).strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest()


def _never_overwrite(params: dict[str, Any], **_unused: object) -> None:
    params["headers"]["If-None-Match"] = "*"
