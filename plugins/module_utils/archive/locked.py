# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive in a bucket with Object Lock: what was written is there until its lock ends, whoever holds the keys.

A bucket with Object Lock keeps every version of a file. Nobody can remove a locked one, but who holds the keys can
write another version over it, or a delete marker. All names of a backup are written once, so the first version of a
name is the file: it is the one that is read, and delete markers mean nothing. This also decides between two writers on
stores that ignore If-None-Match where there are versions: the first one has won, and the other one sees that.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import re
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from ..model.errors import Refused
from .port import LARGEST, StoredFile
from .s3 import S3Archive
from .s3_client import explained
from .s3_settings import LOCK_MODES, S3Settings

_REMEMBERED: Final = 1 << 16
"""Names of which the versions are remembered: the first version of a name stays the first."""
_NOTE_SECONDS: Final = 60
"""For which a note is locked, that is written over."""
_NEIGHBOURS: Final = re.compile(r"(.*/\d+)\d{3}\.\w+|(.*/)[0-9a-f]{64}")
"""What the names begin with that are read together with one: of a thousand commits, of a folder of packs."""

_FIELDS: Final = {
    "Versions": ("Key", "VersionId", "Size", "ETag", "LastModified"),
    "DeleteMarkers": ("Key", "VersionId"),
    "CommonPrefixes": ("Prefix",),
}
"""What the entries of a listing of versions have, by the part that they are in."""


class _Version(NamedTuple):
    id: str
    size: int
    etag: str
    at: int
    """UTC milliseconds."""


class _Versions(NamedTuple):
    """The versions of one name."""

    real: Sequence[_Version]
    """The first one first; there is one."""
    deletions: int
    """Delete markers."""


def bucket_archive(settings: S3Settings) -> S3Archive:
    """Return the archive in a bucket, with or without locks. Makes no request. Errors as S3Archive."""
    return LockedArchive(settings) if settings.lock_mode else S3Archive(settings)


class LockedArchive(S3Archive):
    """Files of a bucket with Object Lock, under a prefix."""

    def __init__(self, settings: S3Settings) -> None:
        super().__init__(settings)
        self.retention = settings.lock_seconds * 1000
        self._lock = threading.Lock()
        self._known: dict[str, _Versions] = {}

    def briefly(self, seconds: int) -> LockedArchive:
        """Return the same archive, in which new files are locked for a short time only."""
        return LockedArchive(dataclasses.replace(self._settings, lock_seconds=seconds))

    def put_new(self, name: str, data: bytes) -> bool:
        if not super().put_new(name, data):
            return False
        self._forget(name)
        self._look(name)
        return self.get(name) == data

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data)
        self._forget(name)

    def put_file(self, name: str, path: str, sha256: str) -> None:
        super().put_file(name, path, sha256)
        self._forget(name)

    def get_note(self, name: str, most: int) -> bytes:
        return self._plain.get(name, most)

    @functools.cached_property
    def _plain(self) -> S3Archive:
        """The bucket without its locks: the last version of a name is what is read."""
        return S3Archive(self._settings)

    def size(self, name: str) -> int | None:
        self._forget(name)  # another process may have removed it when its lock had ended
        version = self._version(name)
        return None if version is None else version.size

    def stored_at(self, name: str) -> int | None:
        version = self._version(name)
        return None if version is None else version.at

    def list(self, prefix: str, after: str = "") -> Iterator[StoredFile]:
        for name, versions in self._listed(prefix, after):
            yield StoredFile(name, versions.real[0].size, versions.real[0].at)

    def folders(self) -> Sequence[str]:
        pages = self._version_pages("", Delimiter="/")
        return sorted(
            entry["Prefix"][len(self._prefix):-1] for page in pages for entry in page.get("CommonPrefixes", ())
        )

    def delete(self, name: str) -> None:
        self.erase(name)  # a delete marker would say nothing here

    def erase(self, name: str) -> bool:
        try:
            return super().erase(name)
        finally:
            self._forget(name)

    def locked_until(self, name: str) -> int | None:
        version = self._version(name)
        if version is None:
            return None
        with explained(self._settings, "look for", name):
            until = self._client.head_object(**self._key(name), VersionId=version.id).get("ObjectLockRetainUntilDate")
        return int(until.timestamp() * 1000) if until else 0

    def lock_until(self, name: str, until: int) -> None:
        versions = self._look(name)
        # The last one too: where the first was damaged by the store, it is what a coherency check has sent again.
        for version in {versions.real[0].id, versions.real[-1].id} if versions else ():
            try:
                self._retain(name, version, self._mode, until)
            except Refused:  # a store may let nobody change the mode of a lock, which was another one then
                other = next(mode for mode in LOCK_MODES if mode != self._mode)
                self._retain(name, version, other, until)

    def _retain(self, name: str, version: str, mode: Any, until: int) -> None:
        with explained(self._settings, "lock", name):
            self._client.put_object_retention(
                **self._key(name), VersionId=version, ChecksumAlgorithm="SHA256",
                Retention={"Mode": mode, "RetainUntilDate": _date(until)},
            )

    def is_overlaid(self, name: str) -> bool:
        versions = self._look(name)
        if versions is None:
            return False
        # The same bytes twice are those of a writer that got no answer, or was killed.
        return versions.deletions > 0 or len({(one.size, one.etag) for one in versions.real}) > 1

    def later_versions(
        self, name: str, offset: int = 0, length: int | None = None, most: int | None = None
    ) -> Iterator[bytes]:
        self._forget(name)
        versions = self._look(name)
        bound = LARGEST if most is None else most
        for version in versions.real[1:] if versions else ():
            end = version.size if length is None else min(offset + length, version.size)
            if offset < end and (end <= bound or length is not None):
                arguments = {"VersionId": version.id, "Range": f"bytes={offset}-{end - 1}"}
                yield self._read(name, arguments, end + LARGEST)[0]

    def gives_way(self, name: str) -> bool:
        """Try to remove a file in spite of its lock, as who may bypass a GOVERNANCE lock could; for the probe.

        Returns whether it is gone.
        """
        version = self._version(name)
        if version is None:
            return True
        try:
            with explained(self._settings, "delete", name):
                self._client.delete_object(
                    **self._key(name), VersionId=version.id, BypassGovernanceRetention=True
                )
        except Refused:
            return False
        self._forget(name)
        return True

    # -- versions --------------------------------------------------------------------------------------------------

    def _where(self, name: str) -> dict[str, Any]:
        beside = _NEIGHBOURS.fullmatch(name)
        version = self._version(name, (beside[1] or beside[2]) if beside else "")
        return self._key(name) if version is None else {**self._key(name), "VersionId": version.id}

    def _version(self, name: str, prefix: str = "") -> _Version | None:
        """Return the version of a name that is read."""
        versions = self._look(name, prefix)
        return versions.real[0] if versions else None

    def _look(self, name: str, prefix: str = "") -> _Versions | None:
        """Return the versions of a name; None where there is no such file.

        :param prefix: list all names that begin so, because they will be wanted too; empty for this one alone.
        """
        known = self._known.get(name)
        if known is None:
            for found, versions in self._listed(prefix or name):
                known = versions if found == name else known
        return known

    def _listed(self, prefix: str, after: str = "") -> Iterator[tuple[str, _Versions]]:
        """Yield the names that begin so and sort after another, with their versions, and remember those."""
        last = after
        for key, group in itertools.groupby(self._entries(prefix, after), lambda entry: entry["Key"]):
            entries = list(group)
            real = [
                _Version(one["VersionId"], one["Size"], one["ETag"], int(one["LastModified"].timestamp() * 1000))
                for one in entries if "Size" in one
            ]
            name = key[len(self._prefix):]
            if real and name > after:
                found = _Versions(real[::-1], len(entries) - len(real))  # a listing has the newest first
                before = self._known.get(name) if name <= last else None
                self._remember(name, found if before is None else _merged(before, found))
                if before is None:
                    yield name, found
                last = max(last, name)

    def _entries(self, prefix: str, after: str = "") -> Iterator[Any]:
        """Yield versions and delete markers, by key; those of one key in no order but their own."""
        for page in self._version_pages(prefix, self._prefix + after if after else ""):
            parts = (page.get("Versions", ()), page.get("DeleteMarkers", ()))
            yield from heapq.merge(*parts, key=lambda entry: entry["Key"])

    def _version_pages(self, prefix: str, after: str = "", **options: str) -> Iterator[Any]:
        """Yield the pages of a listing of versions."""
        where: Any = {"Bucket": self._settings.bucket, "Prefix": self._prefix + prefix, **options}
        if after:  # an empty one makes some stores leave out their first entry
            where["KeyMarker"] = after
        while True:
            with explained(self._settings, "list"):
                page = self._client.list_object_versions(**where)
                further = _further(page)
                if further is not None and further.items() <= where.items():
                    raise ValueError("the listing goes on where it began")
            yield page
            if further is None:
                return
            where.update(further)

    def _remember(self, name: str, versions: _Versions) -> None:
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = versions

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def _versions(self, name: str) -> Sequence[dict[str, str]]:
        entries = self._entries(name)
        return [{"VersionId": entry["VersionId"]} for entry in entries if entry["Key"] == self._prefix + name]

    # -- locks -----------------------------------------------------------------------------------------------------

    @property
    def _mode(self) -> Any:
        return self._settings.lock_mode

    def _kept(self, note: bool) -> dict[str, Any]:
        # A note without a lock would get that which the bucket has by default.
        until = int(time.time() * 1000) + (_NOTE_SECONDS * 1000 if note else self.retention)
        return {"ObjectLockMode": self._mode, "ObjectLockRetainUntilDate": _date(until)}


def _merged(before: _Versions, further: _Versions) -> _Versions:
    """Return the versions of a name of which a listing has told twice."""
    real = {version.id: version for version in (*before.real, *further.real)}
    return _Versions(sorted(real.values(), key=lambda version: version.at), before.deletions + further.deletions)


def _further(page: Any) -> dict[str, str] | None:
    """Return where a listing goes on; None where it ends.

    :raises LookupError: it does not say that, or an entry lacks a field. :raises ValueError: a date is none.
    """
    for part, fields in _FIELDS.items():
        for entry in page.get(part, ()):
            lacking = [field for field in fields if field not in entry]
            if lacking:
                raise LookupError(f"an entry has no {' and no '.join(lacking)}")
            if "LastModified" in fields:
                entry["LastModified"].timestamp()  # not every date that can be read has one
    if not page.get("IsTruncated"):
        return None
    return {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}


def _date(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, timezone.utc)
