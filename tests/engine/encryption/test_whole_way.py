# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of mail through an encrypted backup: all of it arrives, and on the way nobody can read any of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.care.purge import merge
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.restore.copy_source import CopyOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import (
    accounts,
    backups,
    care,
    export,
    migration,
    recovery,
    retrieval,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume

from tests.engine.encryption.encryption_kit import (
    ADDRESS,
    ANNA,
    CARL,
    MASTER,
    OTHER,
    OWN,
    SHARED,
    Site,
    digest,
    later,
    readable,
    secrets_of,
    tells,
    told,
)
from tests.servers.moto_server import moto_server


def mailboxes(site: Site, name: str) -> dict[str, list[bytes]]:
    """Return the messages in each mailbox of a node."""
    with site.store(name) as store:
        return {
            entry.name: sorted(
                store.read_blob(entry.entry_id, one.item_id) for one in store.changes(entry.entry_id).items
                if one.kind == kinds.MESSAGE
            )
            for entry in store.entries(kinds.ACCOUNT)
        }


EXPECTED = {address: sorted([OWN[account], SHARED]) for account, address in ADDRESS.items()}


def test_all_mail_arrives_from_the_archive_and_a_verification_says_so(site: Site) -> None:
    assert site.retrieve(witness=True)["warnings"] == []
    node = site.node("b")
    archived = str(site.archived)
    done = recovery.restore(node, archived, ExternalOptions())
    assert done["unrestored_items"] == [] and done["changed"]
    assert mailboxes(site, "b") == EXPECTED
    assert recovery.prove(node, archived).passed


def test_neither_the_archive_nor_the_backup_path_can_be_read_by_who_has_not_got_the_key(site: Site) -> None:
    secrets = secrets_of(site)
    assert tells(site.archive_path, secrets) == set()
    assert tells(site.backup, secrets, ["catalog.sqlite"]) == set()
    assert tells(site.path / "elsewhere", secrets) == set()
    assert tells(site.path / "a" / "store", secrets), "and there it is, for the search to be worth something"


def test_a_search_like_this_finds_what_a_plain_backup_tells(site: Site) -> None:
    """What is not found in an encrypted backup would be found if it were there, packed or not."""
    site.save("a", dataclasses.replace(site.settings_of("a"), encryption_key_file="", backup_path=str(
        site.path / "plain"), backup_volume=BackupVolume()))
    site.scan()
    folders = {name.partition("/")[0] for name in tells(site.path / "plain", [b"Subject-Canary"])}
    assert "packs" in folders
    assert {"packs", "commits"} <= {name.partition("/")[0] for name in tells(site.path / "plain", [ANNA.encode()])}


def test_one_content_in_two_backups_has_nothing_in_common(site: Site, tmp_path: Path) -> None:
    """Who sees two backups cannot even tell that the same message is in both."""
    site.save("a", dataclasses.replace(
        site.settings_of("a"), backup_path=str(tmp_path / "other"), backup_volume=BackupVolume(), witness_path=""
    ))
    site.scan()
    with site.repository() as one, site.repository(tmp_path / "other") as other:
        raw = bytes.fromhex(digest(SHARED))
        assert one.read_blob(digest(SHARED)) == other.read_blob(digest(SHARED)) == SHARED
        assert one.name_of(raw) != other.name_of(raw)
    packs = [{file.name for file in (path / "packs").rglob("*")} for path in (site.backup, tmp_path / "other")]
    assert {name for name in packs[0] & packs[1] if len(name) > 2} == set()


def test_all_of_it_works_over_a_bucket(site: Site) -> None:
    with moto_server() as endpoint:
        record = BucketRecord(
            label="mail", bucket="encrypted-mail", provider="CustomS3", endpoint=endpoint.url,
            access_key=endpoint.access_key, secret_key=endpoint.secret_key,
        )
        BucketAdmin(record.settings("", "")).apply(plan(BucketState(), None))
        records = {name: site.node(name).buckets.add(record) for name in ("a", "b")}
        site.save("a", dataclasses.replace(
            site.settings_of("a"), backup_volume=BackupVolume("s3", bucket_configuration_id=records["a"].id),
        ))
        secrets = secrets_of(site)
        site.scan()
        archive = retrieval.find_archive(site.node("b"), retrieval.in_bucket(record))
        assert isinstance(archive, S3Archive)
        stored = [file.name for file in archive.list("")]
        assert any(name.startswith("keys/") for name in stored)
        for name in stored:
            assert not any(secret in text for text in readable(archive.get(name)) for secret in secrets)
        fetched = retrieval.retrieve_metadata(
            site.node("b"), archive, str(site.retrieved), witness=str(site.witness)
        )
        assert fetched["warnings"] == []
        done = recovery.restore(site.node("b"), str(site.retrieved), ExternalOptions(), blobs_archive="mail")
        assert done["unrestored_items"] == []
        assert mailboxes(site, "b") == EXPECTED
        assert recovery.prove(site.node("b"), str(site.retrieved)).passed


# -- who has not got the key -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "says"), [([OTHER], "master key is not the one"), ([], "no master key is named")])
def test_without_the_right_key_nothing_is_opened_and_the_sentence_says_why(
    site: Site, keys: list[bytes], says: str
) -> None:
    changed = dataclasses.replace(site.settings_of("b"), encryption_key_file="") if not keys else site.settings_of("b")
    site.write_key(site.key, *keys)
    site.save("b", changed)
    for act in (
        site.retrieve, lambda: site.node("b").repository(str(site.backup)),
        lambda: recovery.restore(site.node("b"), str(site.archived), ExternalOptions()),
        lambda: recovery.prove(site.node("b"), str(site.archived)),
        lambda: retrieval.copy_backup_path(site.node("b"), str(site.backup), str(site.path / "copy")),
    ):
        with pytest.raises(Refused, match=says) as refused:
            act()
        assert not any(key.hex() in str(refused.value) for key in (MASTER, OTHER))
    assert mailboxes(site, "b") == {}


def test_one_of_several_keys_opens_what_another_node_has_made(site: Site) -> None:
    site.write_key(site.path / "both.key", OTHER, MASTER)
    site.save("b", dataclasses.replace(site.settings_of("b"), encryption_key_file=str(site.path / "both.key")))
    assert site.retrieve()["warnings"] == []
    backups.smart_scan(site.node("b"))
    with site.repository(site.path / "b" / "backup", OTHER) as own:
        assert own.damages() == []


# -- the rest of the engine --------------------------------------------------------------------------------------------


def test_an_export_is_encrypted_too(site: Site) -> None:
    target = site.path / "exported"
    secrets = secrets_of(site)
    export.export(site.node(), str(target), domains=["example.com"])
    assert tells(target, secrets, ["catalog.sqlite"]) == set()
    with site.repository(target) as exported:
        assert exported.scopes() == [ANNA, CARL]
        assert exported.read_blob(digest(OWN[ANNA])) == OWN[ANNA]
        assert exported.keys is not None
    with site.repository() as own:
        assert own.keys is not None and own.keys.ring.secret != exported.keys.ring.secret


def test_an_export_that_was_killed_before_its_commit_begins_anew(site: Site) -> None:
    target = site.path / "exported"
    export.export(site.node(), str(target))
    for file in (target / "commits").iterdir():
        file.unlink()
    assert (target / "keys").is_dir()
    export.export(site.node(), str(target))
    with site.repository(target) as exported:
        assert exported.read_blob(digest(OWN[ANNA])) == OWN[ANNA] and exported.damages() == []


def test_a_migration_takes_the_keyring_along(site: Site) -> None:
    (site.path / "archive2").mkdir()
    migration.migrate(site.node(), "local", str(site.path / "archive2"))
    site.mail(ANNA, b"Subject: after\r\n\r\nthe migration\r\n")
    site.archive_path = site.path / "archive2"
    assert site.retrieve(witness=True)["warnings"] == []
    with site.repository(site.archived) as there, site.repository() as here:
        assert told(there, contents=True) == told(here, contents=True)


def test_a_legal_hold_holds_and_without_it_a_purge_takes_the_account(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.delete()
    care.set_hold(site.node(), [ADDRESS[CARL]], True)
    later(monkeypatch, 100)
    care.purge(site.node())
    with site.repository() as repository:
        assert repository.read_blob(digest(OWN[CARL])) == OWN[CARL]
    care.set_hold(site.node(), [ADDRESS[CARL]], False)
    assert care.purge(site.node())["report"]["purged_accounts"] == [ADDRESS[CARL]]
    later(monkeypatch, 100)
    care.purge(site.node())
    for path in (site.backup, site.archived):
        with site.repository(path) as repository:
            assert repository.damages() == [] and repository.scopes() == [ANNA]
            assert not repository.has_blob(digest(OWN[CARL]))
            assert repository.read_blob(digest(SHARED)) == SHARED and repository.read_blob(digest(OWN[ANNA]))


def test_packs_are_merged_and_say_the_same(site: Site) -> None:
    contents = [b"Subject: %d\r\n\r\n" % number + b"merge " * number for number in range(1, 7)]
    site.mail(ANNA, *contents)
    with site.repository() as repository:
        before = told(repository, contents=True)
        with repository.writer() as writer:
            assert merge(writer, merge_from=4).removed_packs
    site.without_catalogue()
    with site.repository() as repository:
        after = told(repository, contents=True)
        assert after == {**before, "tokens": after["tokens"]}
        assert repository.read_blob(digest(contents[3])) == contents[3]
    assert tells(site.backup, secrets_of(site), ["catalog.sqlite"]) == set()


def test_a_deleted_account_is_restored(site: Site) -> None:
    before = mailboxes(site, "a")
    site.delete()
    accounts.restore_account(site.node(), ADDRESS[CARL], options=CopyOptions())
    assert mailboxes(site, "a") == before


def test_a_backup_that_settings_want_encrypted_is_not_taken_where_it_is_plain(site: Site) -> None:
    """Also not by a scan, which would go on recording mail where everybody can read it."""
    plain = dataclasses.replace(
        site.settings_of("a"), encryption_key_file="", backup_path=str(site.path / "plain"),
        backup_volume=BackupVolume(), witness_path="",
    )
    site.save("a", plain)
    site.scan()
    site.save("a", dataclasses.replace(plain, encryption_key_file=str(site.key)))
    with pytest.raises(Refused, match="not encrypted, and the settings name a master key"):
        site.scan()


def test_a_witness_of_another_backup_is_refused(site: Site) -> None:
    site.witness.write_text(site.witness.read_text().replace('"repository": "', '"repository": "0'))
    with pytest.raises(InvalidInput, match="The witness is of backup 0"):
        site.retrieve(witness=True)
