# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From "a user lost a mail" to its item id in mailbox.log, and on to what the backup has of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main as command_line
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import inspection, log_inspection
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from inspection_kit import TRASH, Office

ANN = "ann@example.com"


def write_log(office: Office, *messages: str, day: str = "2026-07-06") -> str:
    """Write lines, a minute apart from 15:00 on, into a log; return its path."""
    path = office.root / "mailbox.log"
    path.write_text("".join(
        f"{day} 15:{minute:02}:00,000 INFO  [qtp1] [name={ANN};mid=7;] {message}\n"
        for minute, message in enumerate(messages)
    ))
    return str(path)


def test_a_lost_mail_is_followed_from_its_sender_to_the_backup(office: Office) -> None:
    """R-025, R-032, R-029: what the log gives is what the backup is asked for."""
    ann = office.account("ann")
    item = office.write(ann, b"the mail")
    office.scan()
    office.store.update_item(ann, office.store.item(ann, item)._replace(folder=TRASH))
    office.scan()
    office.store.delete_items(ann, [item])
    office.scan()
    log = write_log(
        office,
        "lmtp - Delivering message: size=8 bytes, nrcpts=1, sender=bank@example.net, msgid=<1@b>",
        f"mailop - Adding Message: id={item}, Message-ID=<1@b>, parentId=-1, folderId=2, folderName=Inbox.",
        f"mailop - moving Message (id={item}) to Folder Trash (id=3)",
        "mailbox - Emptying 1 items from /Trash, removeSubfolders=true.",
        f"mailop - Deleting MESSAGES: {item}",
    )
    found = log_inspection.search_log(office.node, file=log, sender="bank@")
    assert found["items"] == [{
        "item_id": item, "account": ANN, "kind": "message", "message_id": "<1@b>", "sender": "bank@example.net",
        "last_action": "deleted", "last_folder": "/Trash", "last_at": "2026-07-06T13:04:00.000Z", "doubtful": False,
    }]
    assert [event["action"] for event in found["events"]] == ["delivering", "added", "moved", "emptied", "deleted"]
    (one,) = found["items"]
    shown = inspection.item(office.node, one["account"], one["item_id"], date="all")
    assert [state["folder_path"] for state in shown["item_states"]] == ["/Inbox", "/Trash", "/Trash"]


def test_dates_are_in_the_time_zone_of_the_log(office: Office) -> None:
    """R-299: the node is in Rome; a log from elsewhere says so."""
    log = write_log(office, "mailop - Deleting Message (id=300).")
    assert log_inspection.search_log(office.node, file=log, start="06/07/2026 15:00:00")["events"]
    assert not log_inspection.search_log(office.node, file=log, start="06/07/2026 15:00:01")["events"]
    there = log_inspection.search_log(office.node, file=log, time_zone="UTC", start="2026-07-06T15:00:00Z")
    assert there["events"][0]["at"] == "2026-07-06T15:00:00.000Z"
    with pytest.raises(InvalidInput, match="Mars"):
        log_inspection.search_log(office.node, file=log, time_zone="Mars/Olympus")


def test_a_search_of_the_log_is_limited_and_says_so(office: Office) -> None:
    log = write_log(office, *(f"mailop - Deleting Message (id={number})." for number in range(9)))
    found = log_inspection.search_log(office.node, file=log, limit=4)
    assert len(found["events"]) == 4 and found["truncated"]
    assert not log_inspection.search_log(office.node, file=log, limit=0)["truncated"]


@pytest.mark.parametrize(
    "given", [{"start": "soon"}, {"start": "last"}, {"start": "2026-02-01", "end": "2026-01-01"}, {"action": ["eaten"]}]
)
def test_a_search_of_the_log_that_can_find_nothing_is_refused(office: Office, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        log_inspection.search_log(office.node, file=write_log(office, "mailop - Deleting Message (id=1)."), **given)


def test_files_that_cannot_be_read_are_warned_of(office: Office) -> None:
    log = write_log(office, "mailop - Deleting Message (id=300).")
    (office.root / "mailbox.log.2026-07-05").write_bytes(bytes(range(256)) * 100)
    arguments = {
        "config_file": office.config_file, "path": log, "start": "", "end": "", "account": "", "item": "",
        "message_id": "", "sender": "", "folder": "", "action": [], "rotated": True, "time_zone": "", "limit": 1000,
    }
    found = log_inspection.answer(Call(arguments))
    assert found["files"] == [log] and "2026-07-05 is no mailbox.log" in found["warnings"][0]
    with pytest.raises(NotFound, match="mailbox.log"):
        log_inspection.answer(Call({**arguments, "path": str(office.root / "nowhere" / "mailbox.log")}))


def test_the_command_searches_the_log(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """R-025."""
    log = write_log(
        office, "mailop - moving Message (id=339) to Folder Trash (id=3)", "mailop - Deleting Tag a (id=64)."
    )
    words = ["--config-file", office.config_file, "backup", "doMailboxLogSearch", "file", log]
    assert command_line(["--json", *words, "folder", "trash", "action", "moved,deleted"]) == 0
    assert [one["item_id"] for one in json.loads(capsys.readouterr().out)["items"]] == ["339"]
    assert command_line([*words, "start", "never"]) == 1
    (office.root / "mailbox.log").write_bytes(bytes(1000))
    assert command_line(words) == 1
    said = capsys.readouterr().err
    assert "binary" in said and "Traceback" not in said
