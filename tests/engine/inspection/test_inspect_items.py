# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking into a backup for items and their states."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.buckets import BucketRecord
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main as command_line
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
    RestanteError,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.shown import HIDDEN
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from inspection_kit import DAY, INBOX, TRASH, YEAR_2026, Office

from tests.servers.moto_server import moto_server

MAIL = b"From: bank@example.net\r\nSubject: Invoice 7\r\n\r\nTop secret: 42 euros\r\n"
ANN = "ann@example.com"


@pytest.fixture
def ann(office: Office) -> str:
    return office.account("ann")


def lost(office: Office, ann: str, **fields: Any) -> tuple[str, list[int]]:
    """Let a message be moved to Trash and deleted; return its id and a moment after each step."""
    item = office.write(ann, MAIL, attrs={"subject": "Invoice 7", "sender": "bank@example.net"}, **fields)
    moments = [office.scan()]
    office.store.update_item(ann, office.store.item(ann, item)._replace(folder=TRASH))
    moments.append(office.scan())
    office.store.delete_items(ann, [item])
    moments.append(office.scan())
    return item, moments


def test_all_states_of_an_item_are_shown_with_start_type_deleted_and_blob_path(office: Office, ann: str) -> None:
    """R-009, R-029, R-193."""
    item, _moments = lost(office, ann)
    found = inspection.item(office.node, ANN, item, date="all")
    states = found["item_states"]
    assert [(one["folder_path"], one["deleted"]) for one in states] == [
        ("/Inbox", False), ("/Trash", False), ("/Trash", True)
    ]
    assert [one["end_date"] for one in states] == [states[1]["start_date"], states[2]["start_date"], ""]
    assert all(one["type"] == kinds.MESSAGE and Path(one["blob_path"]).is_file() for one in states)
    assert found["deleted"] and found["account"]["name"] == ANN


def test_one_state_is_shown_at_a_moment_and_the_last_by_default(office: Office, ann: str) -> None:
    """R-029, R-299: in the node's time zone."""
    item, moments = lost(office, ann)
    at = [
        inspection.item(office.node, ANN, item, date=moment.iso(one))["item_states"] for one in moments
    ]
    assert [(states[0]["folder_path"], states[0]["deleted"]) for states in at] == [
        ("/Inbox", False), ("/Trash", False), ("/Trash", True)
    ]
    assert inspection.item(office.node, ann, item)["item_states"] == at[2]
    assert inspection.item(office.node, "ANN@example.com", item, date="First")["item_states"] == at[0]


@pytest.mark.parametrize(
    ("date", "word"), [("1999-01-01", "begins"), ("2999-01-01", "future"), ("no date", "not a date")]
)
def test_a_date_outside_of_the_backup_is_told_with_its_limits(office: Office, ann: str, date: str, word: str) -> None:
    item, _moments = lost(office, ann)
    with pytest.raises(InvalidInput, match=word):
        inspection.item(office.node, ANN, item, date=date)


def test_a_moment_before_the_item_names_its_first_state(office: Office, ann: str) -> None:
    early = office.scan()
    item, _moments = lost(office, ann)
    with pytest.raises(InvalidInput, match="its first one in the backup is of"):
        inspection.item(office.node, ANN, item, date=moment.iso(early))


@pytest.mark.parametrize("account", ["nobody@example.com", "", "ann", "../../etc", "a\0b"])
def test_an_unknown_account_is_told(office: Office, ann: str, account: str) -> None:
    office.scan()
    with pytest.raises(NotFound, match="knows no account"):
        inspection.item(office.node, account, "300")


@pytest.mark.parametrize("item", ["999999", "", "-1", "../2", "\ud800", "2 OR 1=1", "9" * 5000])
def test_an_unknown_item_is_told(office: Office, ann: str, item: str) -> None:
    office.scan()
    with pytest.raises(NotFound, match="knows no item"):
        inspection.item(office.node, ANN, item)


def test_the_nearest_restorable_state_is_named_where_a_blob_is_gone(office: Office, ann: str) -> None:
    item = office.write(ann, b"first draft", flags="d")
    office.scan()
    packs = set((office.root / "backup_path" / "packs").rglob("*"))
    office.store.update_item(ann, office.store.item(ann, item), b"second draft")
    office.scan()
    blob = Path(inspection.item(office.node, ANN, item)["item_states"][0]["blob_path"])
    assert blob not in packs
    blob.unlink()
    found = inspection.item(office.node, ANN, item, date="all")
    assert [state["restorable"] for state in found["item_states"]] == [True, False]
    assert found["nearest_restorable"] == found["item_states"][0]["start_date"]
    assert found["nearest_restorable"] in found["warnings"][0]
    with pytest.raises(NotFound, match=found["nearest_restorable"]):
        inspection.item(office.node, ANN, item, dump_blob=True)
    shown = inspection.item(office.node, ANN, item, date="first", dump_blob=True)
    assert shown["blob"] == b"first draft"


def test_the_nearest_restorable_state_is_named_where_a_blob_is_damaged(office: Office, ann: str) -> None:
    item = office.write(ann, b"first draft", flags="d")
    office.scan()
    office.store.update_item(ann, office.store.item(ann, item), b"second draft")
    office.scan()
    first, last = inspection.item(office.node, ANN, item, date="all")["item_states"]
    pack = Path(last["blob_path"])
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(last["blob_offset"] + 60)
        file.write(b"\xff" * 30)
    with pytest.raises(Damaged, match=first["start_date"]):
        inspection.item(office.node, ANN, item, dump_blob=True)


def test_the_account_itself_is_an_item_without_content(office: Office, ann: str) -> None:
    office.scan()
    assert inspection.item(office.node, ANN, "account", date="all")["type"] == kinds.ACCOUNT
    with pytest.raises(InvalidInput, match="no content"):
        inspection.item(office.node, ANN, "account", dump_blob=True)


def test_a_state_shows_no_secret(office: Office, ann: str) -> None:
    secret = {"type": "imap", "host": "h", "username": "u", "password": "hunter2", "folder": INBOX, "enabled": True}
    item = office.write(ann, kind=kinds.DATA_SOURCE, name="other", folder="", attrs=secret)
    office.scan()
    shown = inspection.item(office.node, ANN, item, date="all")
    assert shown["item_states"][0]["metadata"]["attrs"] == {**secret, "password": HIDDEN}
    searched = inspection.search_items(
        office.node, ANN, type="data_source", search_filter="all", raw_metadata=True
    )
    assert "hunter2" not in json.dumps([shown, searched]) and searched["items"]
    asked = inspection.search_items(
        office.node, ANN, type="all", search_filter="all", search_string="hunter2"
    )
    assert asked["items"] == []


# -- the content -------------------------------------------------------------------------------------------------------


def dump(office: Office, item: str, path: Path, check_mode: bool = False) -> dict[str, Any]:
    arguments = {
        "config_file": office.config_file, "account": ANN, "item": item, "date": "first", "backup_path": None,
        "blobs_archive": "", "volume_prefix": "", "dump_path": str(path),
    }
    return inspection.answer_item(Call(arguments, check_mode))


def test_the_content_goes_into_a_file_that_its_owner_alone_reads(office: Office, ann: str, tmp_path: Path) -> None:
    """R-030, R-035: the file is the message."""
    item, _moments = lost(office, ann)
    path = tmp_path / "339.eml"
    foretold = dump(office, item, path, check_mode=True)
    assert foretold["changed"] and not path.exists()
    done = dump(office, item, path)
    assert done["changed"] and path.read_bytes() == MAIL
    assert path.stat().st_mode & 0o777 == 0o600
    assert "Top secret" not in repr(done)
    assert not dump(office, item, path)["changed"]
    assert [one.name for one in tmp_path.glob("*.eml")] == ["339.eml"]


@pytest.mark.parametrize("there", ["file", "link", "dangling", "directory", "pipe"])
def test_a_dump_overwrites_nothing(office: Office, ann: str, tmp_path: Path, there: str) -> None:
    item, _moments = lost(office, ann)
    path, other = tmp_path / "out.eml", tmp_path / "other"
    other.write_bytes(b"somebody's")
    if there == "file":
        path.write_bytes(b"somebody's")
    elif there == "link":
        path.symlink_to(other)
    elif there == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif there == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(AlreadyExists, match="left alone"):
        dump(office, item, path)
    assert other.read_bytes() == b"somebody's" and not (tmp_path / "nowhere").exists()


def test_a_dump_into_a_directory_that_is_missing_is_told(office: Office, ann: str, tmp_path: Path) -> None:
    item, _moments = lost(office, ann)
    with pytest.raises(RestanteError, match="nowhere"):
        dump(office, item, tmp_path / "nowhere" / "a.eml")


def test_a_kind_without_content_has_none_to_dump(office: Office, ann: str, tmp_path: Path) -> None:
    office.scan()
    with pytest.raises(InvalidInput, match="no content"):
        dump(office, INBOX, tmp_path / "a")


def test_an_item_is_found_in_another_backup_path(office: Office, ann: str, tmp_path: Path) -> None:
    """R-031."""
    item, _moments = lost(office, ann)
    copy = tmp_path / "copy"
    shutil.move(str(office.root / "backup_path"), copy)
    found = inspection.item(office.node, ANN, item, backup_path=str(copy), dump_blob=True)
    assert found["blob"] == MAIL and found["item_states"][0]["blob_path"].startswith(str(copy))


def test_the_content_is_read_from_an_archive_of_blobs(office: Office, ann: str, tmp_path: Path) -> None:
    """R-031: with the packs gone, a bucket that is not known is an error before anything is read."""
    item, _moments = lost(office, ann)
    with pytest.raises(NotFound, match="nobucket"):
        inspection.item(office.node, ANN, item, blobs_archive="nobucket")
    with pytest.raises(NotFound, match="nobucket"):
        inspection.search_items(
            office.node, ANN, search_string="42 euros", in_content=True, blobs_archive="nobucket"
        )


def test_contents_are_read_from_a_bucket_where_the_packs_are_gone(office: Office, ann: str) -> None:
    """R-031, R-033: as in a directory that metadata was retrieved into."""
    item, _moments = lost(office, ann)
    with moto_server() as server:
        record = office.node.buckets.add(BucketRecord(
            "packs", "there", "CustomS3", server.url, "us-east-1",
            access_key=server.access_key, secret_key=server.secret_key,
        ))
        boto3.client(
            "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
        ).create_bucket(Bucket="packs")
        with contextlib.closing(office.source()) as source:
            Uploader(source, S3Archive(record.settings("v", source.server_id))).sync()
        shutil.rmtree(office.root / "backup_path" / "packs")
        bucket = {"blobs_archive": "there", "volume_prefix": "v"}
        assert ids(office, search_string="42 euros", in_content=True, **bucket) == [item]
        assert inspection.item(office.node, ANN, item, dump_blob=True, **bucket)["blob"] == MAIL


# -- searching ---------------------------------------------------------------------------------------------------------


def ids(office: Office, **given: Any) -> list[str]:
    return sorted(one["item_id"] for one in inspection.search_items(office.node, ANN, **given)["items"])


def test_a_search_without_filters_lists_deleted_messages(office: Office, ann: str) -> None:
    """R-032."""
    kept = office.write(ann, b"kept")
    card = office.write(ann, b"BEGIN:VCARD", kind=kinds.CONTACT, folder="7")
    item, moments = lost(office, ann)
    office.store.delete_items(ann, [card])
    office.scan()
    found = inspection.search_items(office.node, ANN)
    assert [one["item_id"] for one in found["items"]] == [item]
    one = found["items"][0]
    assert (one["folder_path"], one["subject"], one["sender"]) == ("/Trash", "Invoice 7", "bank@example.net")
    assert moments[1] <= moment.parse(one["deleted_at"]) <= moments[2]
    assert "metadata" not in one and not found["truncated"]
    assert ids(office, search_filter="not_deleted") == [kept]
    assert ids(office, search_filter="all", type="contact") == [card]


def test_an_item_in_trash_is_not_deleted(office: Office, ann: str) -> None:
    """R-032, R-192: Trash is a folder."""
    item = office.write(ann, b"in trash", folder=TRASH)
    office.scan()
    assert ids(office) == [] and ids(office, search_filter="not_deleted") == [item]


def test_a_search_honours_all_filters_together(office: Office, ann: str) -> None:
    """R-033: the string is case-sensitive."""
    items = [
        office.write(ann, b"x%d" % number, date=YEAR_2026 + number * DAY, attrs={"subject": f"Report {number}"})
        for number in range(4)
    ]
    office.scan()
    office.store.delete_items(ann, items[:3])
    office.scan()
    assert ids(office) == sorted(items[:3])
    assert ids(office, search_string="Report") == sorted(items[:3])
    assert ids(office, search_string="report") == []
    assert ids(office, search_string="Report 1", search_filter="all") == [items[1]]
    assert ids(office, id=items[1]) == [items[1]] and ids(office, id=items[3]) == []
    assert ids(office, id="77777") == []
    # the node is in Rome: 1 January 2026, 01:00 there is midnight UTC
    assert ids(office, after="02/01/2026 01:00:00", before="2026-01-03T00:00:00Z") == [items[1]]
    assert ids(office, after="2026-01-02T00:00:00Z", search_string="Report 0") == []


def test_a_search_finds_whatever_text_the_last_state_has_and_no_former_one(office: Office, ann: str) -> None:
    """R-033, whatever the text looks like in the journal."""
    subjects = ('say "hi"', "back\\slash", "Grüße 😀", "one\nline", "plain")
    items = [office.write(ann, b"x%d" % number, attrs={"subject": text}) for number, text in enumerate(subjects)]
    gone = office.write(ann, b"gone", attrs={"subject": "Grüße, removed"})
    office.scan()
    state = office.store.item(ann, items[4])
    office.store.update_item(ann, state._replace(attrs={"subject": "renamed"}))
    office.store.delete_items(ann, [gone])
    office.scan()
    for text, item in zip(subjects[:4], items):
        assert ids(office, search_string=text, search_filter="all") == [item]
    assert ids(office, search_string="plain", search_filter="all") == []
    assert ids(office, search_string="renamed", search_filter="not_deleted") == [items[4]]
    assert ids(office, search_string="Grüße") == [gone]
    assert ids(office, search_string="rü", search_filter="all") == sorted([items[2], gone])


def test_a_search_by_the_time_of_the_deletion(office: Office, ann: str) -> None:
    """R-193."""
    first = office.write(ann, b"1")
    second = office.write(ann, b"2")
    office.scan()
    office.store.delete_items(ann, [first])
    between = office.scan()
    office.store.delete_items(ann, [second])
    office.scan()
    assert ids(office, deleted_before=moment.iso(between)) == [first]
    assert ids(office, deleted_after=moment.iso(between)) == [second]


def test_a_search_looks_into_contents_where_it_is_asked_to(office: Office, ann: str) -> None:
    """R-033: of a contact, the name is in the content alone; what cannot be read is told and stops nothing."""
    cards = [
        office.write(ann, f"BEGIN:VCARD\r\nFN:{name}\r\nEND:VCARD\r\n".encode(), kind=kinds.CONTACT, folder="7")
        for name in ("Mario Rossi", "Maria Bianchi", "Mario Verdi")
    ]
    office.scan()
    office.store.delete_items(ann, cards[:1])
    office.scan()
    wanted = {"type": "contact", "search_filter": "all", "search_string": "Mario"}
    assert ids(office, **wanted) == []
    assert ids(office, **wanted, in_content=True) == sorted([cards[0], cards[2]])
    assert ids(office, type="contact", search_string="Mario", in_content=True) == [cards[0]]
    with pytest.raises(InvalidInput, match="search_string"):
        ids(office, in_content=True)
    for pack in (office.root / "backup_path" / "packs").rglob("*"):
        if pack.is_file():
            pack.unlink()
    found = inspection.search_items(office.node, ANN, **wanted, in_content=True)
    assert found["items"] == [] and "3 items could not be looked into" in found["warnings"][0]


def test_a_negative_limit_is_refused(office: Office, ann: str) -> None:
    office.scan()
    with pytest.raises(InvalidInput, match="limit"):
        inspection.search_items(office.node, ANN, limit=-1)


def test_a_limit_may_be_as_large_as_you_like(office: Office, ann: str) -> None:
    item, _moments = lost(office, ann)
    assert ids(office, limit=10**30) == [item]


@pytest.mark.parametrize(
    "given",
    [
        {"after": "2026-02-01", "before": "2026-01-01"},
        {"deleted_after": "2026-02-01", "deleted_before": "2026-02-01"},
        {"deleted_after": "2026-02-01", "search_filter": "not_deleted"},
        {"after": "soon"}, {"before": "last"}, {"type": "mail"}, {"search_filter": "some"},
    ],
)
def test_a_search_that_can_find_nothing_is_refused(office: Office, ann: str, given: dict[str, Any]) -> None:
    office.scan()
    with pytest.raises(InvalidInput):
        inspection.search_items(office.node, ANN, **given)


def test_raw_metadata_is_what_was_stored(office: Office, ann: str) -> None:
    """R-034."""
    item, _moments = lost(office, ann, flags="fu")
    with contextlib.closing(office.source()) as source:
        stored = [one.state for one in source.history(ann, item) if one.state is not None][-1]
    found = inspection.search_items(office.node, ANN, raw_metadata=True)
    assert found["items"][0]["metadata"] == stored.to_json()


def test_a_search_is_limited_and_says_so(office: Office, ann: str) -> None:
    for number in range(5):
        office.write(ann, b"%d" % number)
    office.scan()
    found = inspection.search_items(office.node, ANN, search_filter="all", limit=3)
    assert len(found["items"]) == 3 and found["truncated"]
    assert not inspection.search_items(office.node, ANN, search_filter="all", limit=5)["truncated"]
    assert len(inspection.search_items(office.node, ANN, search_filter="all", limit=0)["items"]) == 5


def test_what_lies_in_folders_that_are_gone_has_a_path(office: Office, ann: str) -> None:
    outer = office.write(ann, kind=kinds.FOLDER, folder="1", name="2025")
    inner = office.write(ann, kind=kinds.FOLDER, folder=outer, name="Bills")
    item = office.write(ann, b"x", folder=inner)
    office.scan()
    office.store.delete_items(ann, [item, inner, outer])
    office.scan()
    assert inspection.search_items(office.node, ANN)["items"][0]["folder_path"] == "/2025/Bills"


# -- the command line --------------------------------------------------------------------------------------------------


def say(office: Office, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert command_line(["--config-file", office.config_file, *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_the_commands_show_items(office: Office, ann: str, capsys: pytest.CaptureFixture[str]) -> None:
    """R-029, R-030, R-032."""
    item, _moments = lost(office, ann)
    assert item in say(office, capsys, "backup", "doItemSearch", ANN)
    evil = office.write(ann, b"x", attrs={"subject": "\x1b]0;owned\x07"})
    office.scan()
    told = say(office, capsys, "backup", "doItemSearch", ANN, "search_filter", "not_deleted")
    assert evil in told and "\x1b" not in told and "\\x1b]0;owned\\x07" in told
    shown = say(office, capsys, "backup", "getitem", ANN, item, "date", "all")
    assert "/Inbox" in shown and "/Trash" in shown and "42 euros" not in shown
    assert "42 euros" in say(office, capsys, "backup", "getItem", ANN, item, "dump_blob", "true")
    found = json.loads(say(office, capsys, "--json", "backup", "doItemSearch", ANN, "search_string", "Invoice"))
    assert [one["item_id"] for one in found["items"]] == [item]


def test_a_command_says_what_is_wrong(office: Office, ann: str, capsys: pytest.CaptureFixture[str]) -> None:
    office.scan()
    for words in (("getItem", ANN, "5000"), ("getItem", "x", "5"), ("doItemSearch", ANN, "before", "x")):
        assert command_line(["--config-file", office.config_file, "backup", *words]) == 1
        said = capsys.readouterr().err
        assert said.strip() and "Traceback" not in said
