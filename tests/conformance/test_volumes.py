# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every adapter that declares volumes has to do with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.volumes import PRIMARY, SECONDARY, Volume
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Refused,
)

pytestmark = pytest.mark.needs("volumes")


@pytest.fixture
def store(server: Any) -> Any:
    return server.store


def current(store: Any, volume_type: str = PRIMARY) -> list[str]:
    return [volume.name for volume in store.volumes() if volume.current and volume.volume_type == volume_type]


def test_a_server_has_a_current_primary_volume(store: Any) -> None:
    assert len(current(store)) == 1


def test_a_created_volume_is_listed_as_it_was_created(store: Any, tmp_path: Path) -> None:
    wanted = Volume("", "Häcker's / volume", SECONDARY, str(tmp_path / "v"), True, 100, True)
    created = store.create_volume(wanted)
    assert created == wanted._replace(volume_id=created.volume_id)
    assert [volume.volume_type for volume in store.volumes()] == [PRIMARY, SECONDARY]
    assert created in store.volumes()


def test_names_of_volumes_are_case_sensitive_and_unique(store: Any, tmp_path: Path) -> None:
    """R-312."""
    store.create_volume(Volume("", "one", SECONDARY, str(tmp_path / "a")))
    store.create_volume(Volume("", "One", SECONDARY, str(tmp_path / "b")))
    for name, path in (("one", "c"), ("other", "a")):
        with pytest.raises(AlreadyExists):
            store.create_volume(Volume("", name, SECONDARY, str(tmp_path / path)))


@pytest.mark.parametrize("fields", [
    {"name": ""}, {"volume_type": "tertiary"}, {"path": ""}, {"compression_threshold": -1},
    {"compression_threshold": 2**63},
])
def test_a_volume_that_makes_no_sense_is_refused(store: Any, tmp_path: Path, fields: dict[str, Any]) -> None:
    only, = store.volumes()
    for dry_run in (True, False):
        with pytest.raises(InvalidInput):
            store.create_volume(Volume("", "v", PRIMARY, str(tmp_path / "v"))._replace(**fields), dry_run)
    assert store.volumes() == [only]


def test_a_dry_run_raises_what_the_run_would_and_changes_nothing(server: Any, store: Any, tmp_path: Path) -> None:
    first = store.volumes()[0]
    server.add(server.account(), kinds.MESSAGE, blob=b"x")
    (tmp_path / "file").write_text("")
    new = Volume("", "new", PRIMARY, str(tmp_path / "new"))
    second = store.create_volume(Volume("", "second", PRIMARY, str(tmp_path / "second"), current=True))
    before = store.volumes()
    store.create_volume(new, True)
    assert store.update_volume(second._replace(name="other"), True) is True
    assert store.update_volume(second, True) is False
    for error, call, wanted in (
        (AlreadyExists, store.create_volume, new._replace(name=first.name)),
        (AlreadyExists, store.create_volume, new._replace(path=second.path)),
        (Refused, store.create_volume, new._replace(path=str(tmp_path / "file"))),
        (Refused, store.create_volume, new._replace(path=str(tmp_path / "file" / "in"))),
        (AlreadyExists, store.update_volume, second._replace(name=first.name)),
        (Refused, store.update_volume, second._replace(path=str(tmp_path / "elsewhere"))),
        (Refused, store.delete_volume, second.volume_id),
        (Refused, store.delete_volume, first.volume_id),
    ):
        sentences = []
        for dry_run in (True, False):
            with pytest.raises(error) as raised:
                call(wanted, dry_run)
            sentences.append(str(raised.value))
        assert sentences[0] == sentences[1]
    assert store.volumes() == before and not (tmp_path / "new").exists()


def test_new_blobs_go_to_the_current_primary_volume_and_old_ones_stay_readable(server: Any, store: Any) -> None:
    """R-016, R-164, R-165: compress for the import, then go on with an uncompressed volume, the old one being
    secondary."""
    account = server.account()
    first = next(volume for volume in store.volumes() if volume.current)
    assert store.update_volume(first._replace(compressed=True, compression_threshold=0)) is True
    items = {server.add(account, kinds.MESSAGE, blob=b"one " * 1000): b"one " * 1000}
    second = store.create_volume(Volume("", "second", PRIMARY, str(server.path / "second"), current=True))
    assert current(store) == ["second"]
    assert store.update_volume(store.volumes()[0]._replace(volume_type=SECONDARY, current=True)) is True
    assert (current(store), current(store, SECONDARY)) == (["second"], [first.name])
    items[server.add(account, kinds.MESSAGE, blob=b"two")] = b"two"
    for item, blob in items.items():
        assert store.read_blob(account, item) == blob
    assert store.update_volume(second) is False


def test_there_is_always_a_current_primary_volume(store: Any) -> None:
    volume, = store.volumes()
    for changed in (volume._replace(current=False), volume._replace(volume_type=SECONDARY)):
        with pytest.raises(Refused, match="current"):
            store.update_volume(changed)
    with pytest.raises(Refused, match="current"):
        store.delete_volume(volume.volume_id)
    assert store.volumes() == [volume]


def test_only_an_empty_volume_can_be_deleted(server: Any, store: Any) -> None:
    account = server.account()
    first = store.volumes()[0]
    item = server.add(account, kinds.MESSAGE, blob=b"x")
    store.create_volume(Volume("", "second", PRIMARY, str(server.path / "second"), current=True))
    with pytest.raises(Refused, match="blobs"):
        store.delete_volume(first.volume_id)
    assert store.read_blob(account, item) == b"x"
    store.delete_items(account, [item])
    store.delete_volume(first.volume_id)
    assert [volume.name for volume in store.volumes()] == ["second"]
    with pytest.raises(NotFound):
        store.delete_volume(first.volume_id)


def test_it_is_told_what_a_volume_holds(server: Any, store: Any) -> None:
    account = server.account()
    first = store.volumes()[0].volume_id
    assert store.usage(first) == (0, 0)
    items = [server.add(account, kinds.MESSAGE, blob=blob) for blob in (b"1234", b"1234", b"")]
    store.create_volume(Volume("", "second", PRIMARY, str(server.path / "second"), current=True))
    server.add(account, kinds.MESSAGE, blob=b"elsewhere")
    assert store.usage(first) == (3, 8)
    store.delete_items(account, items[:1])
    assert store.usage(first) == (2, 4)
    with pytest.raises(NotFound):
        store.usage("99")


def test_deduplication_keeps_every_item(server: Any, store: Any) -> None:
    """R-168."""
    accounts = [server.account(name) for name in ("anna", "bruno")]
    blobs = [b"same " * 500, b"same " * 500, b"other " * 500, b"same " * 500]
    items = [(account, server.add(account, kinds.MESSAGE, blob=blob), blob) for account in accounts for blob in blobs]
    planned = store.deduplicate(dry_run=True)
    assert (planned.checked_mailboxes, planned.duplicated_blobs, planned.already_deduplicated_blobs) == (2, 6, 0)
    assert planned.space_saved == 5 * 2500 + 3000
    assert store.deduplicate() == planned
    assert store.deduplicate()._replace(checked_mailboxes=2) == (2, 0, 6, 0, 0, 0)
    for account, item, blob in items:
        assert store.read_blob(account, item) == blob
    for account, item, _blob in items[:3]:
        store.update_item(account, store.item(account, item), b"changed")
        store.delete_items(account, [item])
    for account, item, blob in items[3:]:
        assert store.read_blob(account, item) == blob


def test_the_redo_log_is_switched_and_stays_so(server: Any, store: Any) -> None:
    """R-163."""
    before = store.redo_log()
    assert store.set_redo_log(before) is False
    assert store.set_redo_log(not before) is True
    assert (store.redo_log(), server.connect().redo_log()) == (not before, not before)
