# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small files of a node: settings, bucket configurations, records of operations and restores."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord, BucketRegistry
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.care.ledger import Part
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.operations.narrator import Narrator
from ansible_collections.restante.carbonio.plugins.module_utils.operations.notifications import (
    Notification,
    Notifications,
)
from ansible_collections.restante.carbonio.plugins.module_utils.operations.records import Record, Records
from ansible_collections.restante.carbonio.plugins.module_utils.operations.report import RestoreReport
from ansible_collections.restante.carbonio.plugins.module_utils.restore.apply import DirectoryApplier
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_record import CopyRecord
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import (
    ImportMap,
    ItemLog,
    Row,
    read_import,
    said_of,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.quota import Quota
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    coherency,
    following,
    operations,
    realtime,
    tuning,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings

from . import mutate
from .harness import Call, Target

_SETTINGS: Final = Settings(
    backup_path="backup",
    cache_path="cache",
    state_path="state",
    mailstore_path="store",
    backup_volume=BackupVolume("local", "archive"),
    time_zone="Europe/Rome",
    administrator="admin@example.com",
)


def _in_file(place: str, use: Callable[[Path], object]) -> Callable[[Path], Call]:
    """Return what puts an input into a file and then does something."""

    def begin(scratch: Path) -> Call:
        path = scratch / place

        def read(data: bytes) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            use(scratch)

        return read

    return begin


def _json(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _settings_seed() -> list[bytes]:
    record = _SETTINGS.to_json()
    return [
        _json(
            {
                **record,
                **{name: f"/nowhere/{record[name]}" for name in record if name.endswith("_path")},
                "backup_volume": {"type": "local", "path": "/nowhere/archive"},
            }
        )
    ]


def _use_settings(scratch: Path) -> None:
    """A node is made of its settings; what they name is not touched."""
    node = Node.load(str(scratch / "restante.json"))
    node.settings.public()
    node.notifications()
    moment.parse("2026-03-28", node.settings.time_zone)
    node.archive("server")
    node.operations.list()
    with contextlib.suppress(NotFound):
        node.store()


def _use_buckets(scratch: Path) -> None:
    registry = BucketRegistry(str(scratch / "buckets.json"))
    for record in registry.records():
        record.public()
        registry.find(record.label)
        registry.get(record.id)
        record.settings("volume", "server")
    registry.add(BucketRecord("new", label="new", access_key="a", secret_key="b"))


def _node(scratch: Path) -> Node:
    places = {
        name: str(scratch / getattr(_SETTINGS, name))
        for name in ("backup_path", "cache_path", "state_path", "mailstore_path")
    }
    return Node(str(scratch / "restante.json"), Settings(**places))


def _use_operations(scratch: Path) -> None:
    node = _node(scratch)
    json.dumps(operations.shown(node))
    for record in node.operations.list():
        list(Narrator().lines(record))
        node.operations.stop_requested(record.id)
    own = Record("own", "scan", 0)
    with Records(str(scratch / "state" / "operations")).alive(own):
        pass
    (scratch / "state" / "operations" / "own.json").unlink()


def _record() -> list[bytes]:
    record = Record(
        "0123",
        "scan",
        1,
        started=5,
        updated=6,
        phase="items",
        items_done=1,
        items_total=2,
        items_per_second=0.5,
        phases=[{"name": "one", "started": 5, "finished": 6, "items": 1, "bytes": 2}],
        parameters={"a": 1},
        result={"b": [2]},
    )
    return [_json(record.to_json()), _json(dataclasses.replace(record, state="successful", finished=9).to_json())]


def _use_notifications(scratch: Path) -> None:
    notifications = Notifications(str(scratch / "state"))
    for note in notifications.list():
        moment.iso(note.at)
        json.dumps(note.to_json())
        notifications.get(note.id)
        "".join((note.subject, note.text, *note.sent_to))


def _use_status(scratch: Path) -> None:
    node = _node(scratch)
    json.dumps(realtime.status(node))
    with following.pid_file(node).held():
        json.dumps(realtime.status(node))


def _ledger(scratch: Path) -> Call:
    """What is remembered of coherency checks is altered."""
    node = _node(scratch)
    repository = Repository.create(node.settings.backup_path, "s")
    file = Path(coherency._ledger_file(node, repository.path))
    file.parent.mkdir(parents=True)
    parts = [Part("backup_path", "a"), Part("backup_path", "b")]

    def read(data: bytes) -> None:
        record = data.replace(b"REPOSITORY", repository.repository_id.encode()).replace(
            b"PATH", os.fsencode(repository.path)
        )
        file.write_bytes(record)
        json.dumps(coherency.last(node))
        ledger = coherency._ledger(node, repository)
        ledger.by_age(parts)
        ledger.whole(parts[0], 5)
        ledger.keep(parts, "backup_path")
        moment.iso(ledger.oldest(parts))
        json.dumps(ledger.to_json())

    return read


def _use_map(scratch: Path) -> None:
    root = str(scratch)
    said_of(root, "s")
    identity, rows = read_import(str(scratch / "map_s"))
    identity.encode()
    for row in rows:
        "".join(row).encode("utf-8", "replace")
    with contextlib.closing(ImportMap(root, "s")) as opened:
        opened.get("a")
        opened.record([Row("account", "a@b", "x", "y")])
    assert read_import(str(scratch / "map_s"))[1][-1] == Row("account", "a@b", "x", "y")


def _use_item_log(scratch: Path) -> None:
    log = ItemLog(str(scratch), "a", "i", "src")
    known = log.origins()
    assert "nothing of this name" not in known
    log.add([("500", "600")])
    log.close()
    assert "500" in ItemLog(str(scratch), "a", "i", "src").origins()


def _quota(scratch: Path) -> Call:
    store = EmbeddedStore.create(str(scratch / "store"))
    store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
    store.create_entry(Entry("a", kinds.ACCOUNT, "anna@example.com"))
    note = scratch / "backup" / "accounts" / "a" / "quota_lifted"
    note.parent.mkdir(parents=True)

    def read(data: bytes) -> None:
        note.write_bytes(data)
        Quota(str(scratch / "backup"), DirectoryApplier(store, RestoreReport()), "a").put_back()
        assert not note.exists()

    return read


def _copy(place: str) -> Callable[[Path], Call]:
    """Return what reads the records of an account that was made again, one of its two files altered."""

    def begin(scratch: Path) -> Call:
        directory = scratch / "accounts" / "a"
        directory.mkdir(parents=True)
        (directory / "map_s").write_bytes(_COPY_MAP)
        (directory / "restored").write_bytes(_json({"message": 5}))

        def read(data: bytes) -> None:
            (directory / place).write_bytes(data)
            said = CopyRecord(str(scratch), "s", "a").read()
            if said is not None:
                moment.iso(said.at)
                said.request.items()
                sum((said.done or {}).values())

        return read

    return begin


_COPY_MAP: Final = _json({"format": 1, "import": "i", "created": "2026", "request": {"undelete": True}, "at": 5})
_MAP: Final = (
    _json({"format": 1, "import": "i", "created": "2026-03-28T09:29:49Z"})
    + _json({"kind": "account", "name": "anna@example.com", "source_id": "1", "destination_id": "2"})
    + _json({"kind": "domain", "name": "example.com", "source_id": "3", "destination_id": "4"})
)
_ITEM_LOG: Final = _json({"import": "i", "account": "src"}) + _json(["257", "300"]) + _json(["258", "301"])
_BUCKET: Final = dataclasses.asdict(
    BucketRecord(
        "bucket",
        label="label",
        endpoint="https://s3.example.com",
        region="r",
        access_key="a",
        secret_key="b",
        id="0-1",
    )
)


def _use_tuning(scratch: Path) -> None:
    noted = tuning._noted(_node(scratch))
    if noted is not None:
        dict(noted.compressed)


TARGETS: Final = (
    Target("settings", _settings_seed, _in_file("restante.json", _use_settings), mutate.values),
    Target(
        "bucket configurations",
        lambda: [_json({"buckets": [_BUCKET]})],
        _in_file("buckets.json", _use_buckets),
        mutate.values,
    ),
    Target("record of an operation", _record, _in_file("state/operations/0123.json", _use_operations), mutate.values),
    Target(
        "notification",
        lambda: [_json(Notification("0-1", "n", 5, "Information", "s", "t", ("a@b",)).to_json())],
        _in_file("state/notifications/000000000000005-0-1.json", _use_notifications),
        mutate.values,
    ),
    Target(
        "status of the Realtime Scanner",
        lambda: [_json(dataclasses.asdict(following.Status()))],
        _in_file("state/realtime.json", _use_status),
        mutate.values,
    ),
    Target(
        "ledger of coherency checks",
        lambda: [
            _json(
                {
                    "version": 1,
                    "repository": "REPOSITORY",
                    "path": "PATH",
                    "whole": {"backup_path:a": 5},
                    "last": {"at": 5, "report": {"faults": 1}},
                }
            )
        ],
        _ledger,
        mutate.values,
    ),
    Target(
        "note of a tuning",
        lambda: [_json({"realtime_scanner": True, "redo_log": False, "compressed": {"1": True}})],
        _in_file(f"state/{tuning.FILE}", _use_tuning),
        mutate.values,
    ),
    Target("map of an import", lambda: [_MAP], _in_file("map_s", _use_map), mutate.values),
    Target("id_mapper.log", lambda: [_ITEM_LOG], _in_file("accounts/a/id_mapper.log", _use_item_log), mutate.values),
    Target("quota_lifted", lambda: [_json(["5000"]), _json([])], _quota, mutate.values),
    Target("map of a new account", lambda: [_COPY_MAP], _copy("map_s"), mutate.values),
    Target("restored", lambda: [_json({"message": 5})], _copy("restored"), mutate.values),
)
