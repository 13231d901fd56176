# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The world of two mail nodes (worlds.py) with its archive in a bucket, each world below a prefix of its own.

The nodes reach the bucket through the S3 layer. Who prepares and looks goes to the store itself, and keeps a copy of
the bucket where the other worlds have their archive: so all that must be true of an archive is true of this one too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord, BucketRegistry
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_client import connect
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.retention import DAY
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BUCKETS_FILE, BackupVolume

from tests.servers.endpoint import Endpoint

from .s3_layer import Layer
from .worlds import Broken, History, World, digests, remove, told

BUCKET: Final = "torture"
LABEL: Final = "bucket"
AGE: Final = 10 * DAY
"""How long ago everything in a world has happened, so that retention has something to do."""


class S3World(World):
    """A world whose node a archives its backup in a bucket, and whose node b knows that bucket."""

    def __init__(self, path: Path, layer: Layer) -> None:
        super().__init__(path)
        self.layer = layer
        self.bare = False
        """Whether the Backup Path of node a has lost contents, and only the archive has them."""
        self.partial = False
        """Whether a retrieval has told that something could not be had, and none was complete since."""

    @classmethod
    def begin(cls, path: Path, layer: Layer) -> S3World:
        """Make the bucket and a world with a past, some days ago."""
        BucketAdmin(_settings(layer.store)).apply(plan(BucketState(), None))
        with the_clock(lambda: _NOW() - AGE):
            World.create(path)
        world = cls(path, layer)
        for name in ("a", "b"):
            record = BucketRecord(
                BUCKET, LABEL, "CustomS3", layer.url, "us-east-1", "start",
                access_key=layer.store.access_key, secret_key=layer.store.secret_key,
            )
            record = BucketRegistry(str(path / name / "etc" / BUCKETS_FILE)).add(record)
            if name == "a":
                config_file = str(path / "a" / "etc" / "restante.json")
                settings_file.save(config_file, dataclasses.replace(
                    settings_file.load(config_file), backup_volume=BackupVolume("s3", "", record.id),
                    data_retention_days=1, account_retention_days=1,
                ))
        world._move("start")
        world.up()
        return world

    def copy(self, path: Path) -> S3World:
        """Return a world like this one in another place, below another prefix."""
        shutil.copytree(self.path, path)
        world = S3World(path, self.layer)
        world.bare = self.bare
        world.moved_from(self.path)
        world._move(f"world-{uuid.uuid4().hex}")
        world.up()
        return world

    def _move(self, prefix: str) -> None:
        for name in ("a", "b"):
            registry = BucketRegistry(str(self.path / name / "etc" / BUCKETS_FILE))
            registry.update(registry.records()[0].id, prefix=prefix)
        self.prefix = prefix

    # -- the bucket, with no layer in between ----------------------------------------------------------------------

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files in the bucket, without what a killed probe has left."""
        return [name for name in self._sizes(folder) if "probe/" not in name]

    def put(self, name: str, data: bytes) -> None:
        """Write a file."""
        _client(self.layer.store).put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=data)

    def delete(self, *names: str) -> None:
        """Delete files."""
        for name in names:
            _client(self.layer.store).delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")

    def up(self) -> None:
        """Make the bucket be as its copy in this directory."""
        self.delete(*self._sizes())
        for path in self.archive.rglob("*"):
            if path.is_file():
                self.put(str(path.relative_to(self.archive)), path.read_bytes())

    def down(self) -> None:
        """Make the copy in this directory be as the bucket. A pack of a name and a size is taken to be the same."""
        there = self._sizes()
        for path in self.archive.rglob("*"):
            name = str(path.relative_to(self.archive))
            if path.is_file() and ("packs/" not in name or there.get(name) != path.stat().st_size):
                path.unlink()
        for name in there:
            target = self.archive / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                answer = _client(self.layer.store).get_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")
                target.write_bytes(answer["Body"].read())

    def _sizes(self, folder: str = "") -> dict[str, int]:
        prefix = f"{self.prefix}/{folder}/" if folder else f"{self.prefix}/"
        pages = _client(self.layer.store).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return {one["Key"][len(prefix):]: one["Size"] for page in pages for one in page.get("Contents", ())}

    def lose_contents(self) -> None:
        """Take the packs of contents out of the Backup Path of node a; the archive has them."""
        with contextlib.closing(self.node("a").repository()) as backup:
            for pack in backup.packs():
                if pack.kind == packs.BLOBS:
                    os.unlink(backup.files.path(packs.file_name(pack.name)))
        self.bare = True

    # -- what must be true -----------------------------------------------------------------------------------------

    def backups(self) -> list[Path]:
        left_out = {self.path / "a" / "backup"} if self.bare else set()
        left_out |= {self.retrieved} if self.partial else set()
        return [place for place in super().backups() if place not in left_out]

    def check(self, before: dict[str, dict[str, History]]) -> None:
        """Also: whatever commit is in the bucket, all that it names is there, each content with its digest."""
        self.down()
        super().check(before)
        for claim in self.archive.rglob("format.json"):
            if any((claim.parent / "commits").glob("*")):
                self.check_archived(claim.parent)

    def check_archived(self, place: Path) -> None:
        """Look at a copy of an archive. :raises Broken: it is not whole."""
        looked_at = self.path / "looked at"
        shutil.copytree(place, looked_at)
        items = told(looked_at)
        with contextlib.closing(Repository.open(str(looked_at))) as backup:
            for digest in {digest for histories in items.values() for digest in digests(histories)}:
                if hashlib.sha256(backup.read_blob(digest)).hexdigest() != digest:
                    raise Broken(f"The archive has another content for {digest}.")
        remove(looked_at)


def _settings(store: Endpoint) -> S3Settings:
    return S3Settings(BUCKET, "", "us-east-1", store.url, store.access_key, store.secret_key)


@functools.cache
def _client(store: Endpoint) -> Any:
    return connect(_settings(store))


_NOW: Final = moment.now


@contextlib.contextmanager
def the_clock(now: Callable[[], int]) -> Iterator[None]:
    """Let this process have another clock while the with statement lasts. :param now: tells UTC milliseconds."""
    moment.now = now
    try:
        yield
    finally:
        moment.now = _NOW
