# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told what of a restore, through a mail server with STARTTLS and authentication."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

from tests.servers.mail_server import MailServer, mail_server

SUBJECTS = [f"External Restore: {what}" for what in ("Operation Started", "PHASE 1 Feedback", "Operation Ended")]
LARGE = b"Subject: large\n\n" + b"x" * 5000


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


class Restores:
    """A backup of a small and a large message, and a node to restore it to."""

    def __init__(self, root: Path, source: str, server: MailServer) -> None:
        self.config_file = str(root / "b" / "restante.json")
        self._source = source
        server.credentials = ("restante", "s3cret")
        places = ("backup_path", "cache_path", "state_path", "mailstore_path")
        self._settings = Settings(
            **{place: str(root / "b" / place) for place in places}, smtp_host="127.0.0.1", smtp_port=server.port,
            smtp_security="starttls", smtp_ca_file=server.offer_tls(root), smtp_username="restante",
            smtp_password="s3cret", smtp_sender="restante@example.com", administrator="admin@example.com",
        )
        self.set()
        EmbeddedStore.create(self._settings.mailstore_path).close()

    def set(self, **settings: Any) -> None:
        """Change settings of the node."""
        settings_file.save(self.config_file, dataclasses.replace(self._settings, **settings))

    def run(self, **given: Any) -> tuple[dict[str, Any], list[str]]:
        """Restore as the module does; return its result and what it complains of."""
        options = dict.fromkeys(ExternalOptions._fields)
        call = Call({
            **options, "config_file": self.config_file, "source_path": self._source, "blobs_archive": "",
            "volume_prefix": "", "notifications": [], "fail_on_unrestored": False, **given,
        })
        return recovery.answer(call), call.complaints()


@pytest.fixture
def restores(tmp_path: Path, node: Any, server: MailServer) -> Restores:
    account = node.account("ann")
    node.mail(account, b"Subject: small\n\nsmall", LARGE)
    node.scan()
    return Restores(tmp_path, node.repository.path, server)


def test_initiator_administrator_and_named_addresses_are_told_of_start_phase_1_and_end(
    restores: Restores, server: MailServer
) -> None:
    """R-006, R-007, R-023, R-184, R-280."""
    _unused, complaints = restores.run(initiator="ben@example.com", notifications=["cleo@example.com"])
    assert complaints == []
    assert [(mail.message["Subject"], *mail.recipients) for mail in server.mails] == [
        (subject, f"{name}@example.com") for subject in SUBJECTS for name in ("admin", "ben", "cleo")
    ]
    assert {(mail.encrypted, mail.user) for mail in server.mails} == {(True, "restante")}
    assert "To be restored: 1 accounts" in server.mails[0].message.get_content()


def test_the_last_mail_has_the_documented_statistics(restores: Restores, server: MailServer) -> None:
    """R-184, R-272, R-273, R-274: what was not restored is listed by account and id, apart from what was there
    already."""
    restores.run(max_file_size=1000)
    text = server.mails[-1].message.get_content().replace("\r\n", "\n")
    lines = text.splitlines()
    assert lines[0] == "- stats -"
    restored, skipped, unrestored = (line.rpartition(" ")[2] for line in lines[1:4])
    assert [line.split(":")[0] for line in lines[1:4]] == ["Restored Items", "Skipped Items", "Unrestored Items"]
    assert int(restored) > 0 and (skipped, unrestored) == ("0", "1")
    start = lines.index("- unrestored items -")
    assert lines[start + 1] == "account: ann@example.com"
    assert lines[start + 2].startswith("unrestored items: ") and lines[start + 2].split()[-1].isdigit()
    assert server.mails[-1].message["Subject"] == SUBJECTS[-1]
    restores.run()
    lines = server.mails[-1].message.get_content().splitlines()
    assert [line.rpartition(" ")[2] for line in lines[1:4]] == ["1", restored, "0"]


def test_a_mail_server_that_is_down_stops_nothing_and_is_reported(restores: Restores, server: MailServer) -> None:
    restores.set(smtp_port=1)
    result, complaints = restores.run()
    assert result["changed"] and result["unrestored"] == {}
    assert [complaint.partition(". ")[0] for complaint in complaints] == [
        f"Not everybody has been told {subject!r}" for subject in SUBJECTS
    ]
    assert all("127.0.0.1:1 did not take the mail: " in complaint for complaint in complaints)
    assert server.mails == []


def test_what_was_not_sent_can_be_read_with_the_reason(
    restores: Restores, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-278."""
    restores.set(smtp_password="wrong")
    restores.run()
    assert main(["--config-file", restores.config_file, "--json", "core", "getNotification"]) == 0
    notes = json.loads(capsys.readouterr().out)
    assert [note["subject"] for note in notes] == SUBJECTS
    assert all(note["sent to"] == [] and "535" in note["error"] and "wrong" not in note["error"] for note in notes)


def test_a_user_of_the_node_is_told_at_the_domain_of_its_users(
    restores: Restores, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-006: who started it has a name here, and mail there; whom sudo has made of them does not count."""
    restores.set(initiator_domain="example.com")
    monkeypatch.setenv("SUDO_USER", "ben")
    restores.run()
    assert [mail.recipients for mail in server.mails[:2]] == [("admin@example.com",), ("ben@example.com",)]


def test_nobody_to_be_told_and_less_urgent_things_are_no_trouble(restores: Restores, server: MailServer) -> None:
    """R-024, R-281."""
    restores.set(administrator="admin@example.com, ben@example.com", notification_level="Warning")
    assert restores.run(max_file_size=1000)[1] == []
    assert [(mail.message["Subject"], mail.recipients) for mail in server.mails] == [
        (SUBJECTS[-1], ("admin@example.com",)), (SUBJECTS[-1], ("ben@example.com",)),
    ]
    restores.set(administrator="")
    assert restores.run()[1] == [] and len(server.mails) == 2
