# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every strategy by playbook, on a Dovecot whose accounts are in OpenLDAP, with a Radicale beside it.

What came back is what the users find who log in with their own passwords, the old ones.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import re
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import realtime
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from playbook_kit import PLAYBOOKS, Run, Task, run, run_tasks
from recovery_kit import make_bucket

from tests.servers import dovecot as dovecot_server
from tests.servers import openldap
from tests.servers import radicale as radicale_server
from tests.servers.endpoint import Endpoint
from tests.servers.mail_client import Mailbox, deliver, logged_in, look
from tests.servers.needed import needed

ANNA, BEN, COPY = "anna@example.com", "ben@example.com", "copy@example.com"
PASSWORDS = {ANNA: "Anna's own pässword", BEN: "Ben's"}
BUCKET = "backup-of-dovecot"
FOLDER = "Projects/K&APY-ln"
PARENT = "Projects"
"""What was but a name above FOLDER is a folder after a restore."""
ADDRESS_BOOK = (
    b'<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop><D:resourcetype><D:collection/>'
    b"<C:addressbook/></D:resourcetype><D:displayname>people</D:displayname></D:prop></D:set></D:mkcol>"
)
CONTACT = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:mario\r\nFN:Mario Rossi\r\nN:Rossi;Mario;;;\r\nEND:VCARD\r\n"
STEPS = "directories,backup,smartscan,metadata_retrieve"
"""Those up to the first that would do something to a mail server."""
DELIVER = """
import smtplib, sys
with smtplib.LMTP(sys.argv[1], int(sys.argv[2])) as client:
    client.sendmail("ben@example.com", [sys.argv[3]], "Subject: while it was followed\\r\\n\\r\\nhello\\r\\n")
"""


class Site(NamedTuple):
    """A mail server with its directory and its DAV server."""

    ldap: openldap.OpenLdap
    mail: dovecot_server.Dovecot
    dav: radicale_server.Radicale

    def settings(self) -> ImapSettings:
        """Return how the engine gets there."""
        return self.mail.settings(**self.ldap.settings(), **self.dav.settings())

    def given(self) -> dict[str, Any]:
        """Return the same as the option imap of backup_config."""
        settings, defaults = dataclasses.asdict(self.settings()), ImapSettings()
        return {name: value for name, value in settings.items() if value != getattr(defaults, name)}


class Told(NamedTuple):
    """What the playbooks did, and what the users saw in the end."""

    tasks: Sequence[Task]
    drills: Sequence[Run]
    before: Mapping[str, Mailbox]
    """What users saw of the first server before it lost anything."""
    mailboxes: Mapping[str, Mailbox]
    recovered: Mapping[str, Mailbox]
    """What they see on the second server, which was restored from the bucket."""
    contacts: Mapping[str, Sequence[bytes]]
    """The names in the address books there."""
    output: str


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Serve mail, contacts and a company's directory for as long as the with statement lasts."""
    with (
        openldap.openldap(carbonio=False) as ldap, dovecot_server.dovecot(ldap=ldap) as mail,
        radicale_server.radicale() as dav,
    ):
        for address in (ANNA, BEN, COPY):
            dav.add_account(address)
        yield Site(ldap, mail, dav)


def message(number: int) -> bytes:
    return b"From: ben@example.com\r\nSubject: message %d\r\nMessage-ID: <%d@example.com>\r\n\r\nhello %d\r\n" % (
        (number,) * 3
    )


def fill(one: Site) -> None:
    """Let there be users with mail, and one of them with a contact."""
    for address, password in PASSWORDS.items():
        one.ldap.add_person(address, password)
        deliver(one.mail, address, message(0), message(1))
        with logged_in(one.mail, address, password) as connection:
            connection.create(FOLDER)
            for number in range(2, 5):
                connection.append(FOLDER, "(\\Flagged)", '"02-Mar-2024 04:05:06 +0100"', message(number))
    asked(one.dav, ANNA, "MKCOL", "people/", ADDRESS_BOOK)
    asked(one.dav, ANNA, "PUT", "people/mario.vcf", CONTACT)


def lose(one: Site) -> None:
    """Let Anna delete a message and a contact, and the administrator Ben, with all he has."""
    with logged_in(one.mail, ANNA, PASSWORDS[ANNA]) as connection:
        connection.select(FOLDER)
        connection.store("1:2", "+FLAGS", "(\\Deleted)")
        connection.expunge()
    asked(one.dav, ANNA, "DELETE", "people/mario.vcf")
    one.ldap.remove_person(BEN)
    shutil.rmtree(one.mail.mail(BEN).parent)


def asked(dav: radicale_server.Radicale, address: str, method: str, path: str, body: bytes = b"") -> bytes:
    """Return what the DAV server says to a user."""
    credentials = base64.b64encode(f"{address}:{dav.password}".encode()).decode()
    request = urllib.request.Request(
        f"{dav.url}/{address}/{path}", body or None, {"Authorization": f"Basic {credentials}"}, method=method
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def contacts(dav: radicale_server.Radicale, address: str) -> list[bytes]:
    """Return the names of the contacts that a user finds in his address book."""
    return re.findall(rb"^FN:(.*?)\r?$", asked(dav, address, "GET", "people/"), re.MULTILINE)


def task(name: str, module: str, given: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, f"restante.carbonio.{module}": given, **more}


def role(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    included = {"name": f"restante.carbonio.{name}"}
    return {"name": f"role {name}", "ansible.builtin.include_role": included, "vars": given}


def set_up(one: Site, root: Path, endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the tasks that have a node back a site up to a bucket."""
    config_file = str(root / "etc" / "restante.json")
    backup = {
        "backup_config_file": config_file, "backup_mailstore_adapter": "imap", "backup_imap": one.given(),
        **{f"backup_{place}": str(root / place) for place in ("cache_path", "state_path", "mailstore_path")},
        "backup_path": str(root / "backup"),
    }
    bucket = {
        "bucket_config_file": config_file, "bucket_name": BUCKET, "bucket_provider": "CustomS3",
        "bucket_url": endpoint.url, "bucket_region": "us-east-1", "bucket_access_key": endpoint.access_key,
        "bucket_secret": endpoint.secret_key, "bucket_backup_volume": True,
    }
    return [role("backup", backup), role("bucket", bucket)]


def strategies(one: Site) -> list[dict[str, Any]]:
    """Return the tasks that bring back what lose() has taken, and follow the mail server meanwhile."""
    return [
        task("scan what is gone", "smartscan", {}),
        task("find", "item_search_info", {
            "account": ANNA, "search_string": "message 2", "in_content": True,
        }, register="found"),
        task("item", "item_restore", {"account": ANNA, "item_id": "{{ found['items'][0].item_id }}"}),
        task("undelete", "undelete", {"account": ANNA, "start_date": "first", "end_date": "last"}),
        task("new account", "new_account_restore", {"source_account": ANNA, "destination_account": COPY}),
        task("account", "account_restore", {"account": BEN}),
        task("account again", "account_restore", {"account": BEN}),
        task("start", "realtime_scanner", {"enabled": True}),
        task(
            "follows", "realtime_scanner_info", {}, register="realtime", retries=60, delay=0.5,
            until="realtime.status.state == 'following'",
        ),
        {"name": "mail arrives", "ansible.builtin.command": {
            "argv": [sys.executable, "-c", DELIVER, one.mail.host, str(one.mail.lmtp_port), ANNA],
        }},
        task(
            "arrived", "item_search_info", {
                "account": ANNA, "search_string": "while it was followed", "search_filter": "not_deleted",
                "in_content": True,
            }, register="arrived", retries=60, delay=0.5, until="arrived['items'] | length == 1",
        ),
        task("stop", "realtime_scanner", {"state": "stopped"}),
        task("the last scan", "smartscan", {}),
    ]


def drill(other: Site, place: Path, endpoint: Endpoint, root: Path, *options: str, **more: Any) -> Run:
    """Run the drill into another site, or some steps of it."""
    given = {
        "drill_path": str(place), "drill_mailstore_adapter": "imap", "drill_imap": other.given(),
        "s3_recovery_become": False, "s3_recovery_bucket_name": BUCKET, "s3_recovery_bucket_provider": "CustomS3",
        "s3_recovery_bucket_url": endpoint.url, "s3_recovery_bucket_region": "us-east-1",
        "s3_recovery_bucket_access_key": endpoint.access_key, "s3_recovery_bucket_secret": endpoint.secret_key,
    }
    return run(PLAYBOOKS / "recovery_rehearsal.yml", {**given, **more}, root, *options)


@pytest.fixture(scope="module")
def told(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A node is set up and backed up, loses mail and gets it back; then all of it is recovered from its bucket."""
    for module in (dovecot_server, openldap, radicale_server):
        needed(module.__name__, module.missing())
    root, place = tmp_path_factory.mktemp("node"), tmp_path_factory.mktemp("scratch") / "drill"
    config_file = root / "etc" / "restante.json"
    make_bucket(endpoint, BUCKET)
    tasks: list[Task] = []
    output = ""

    def done(wanted: list[dict[str, Any]]) -> None:
        nonlocal output
        made = run_tasks(wanted, root, config_file=config_file)
        tasks.extend(made.tasks)
        output += made.output + json.dumps([one.result for one in made.tasks], default=str)
        assert made.status == 0, made.output

    with site() as one, site() as other:
        fill(one)
        before = {address: look(one.mail, address, password) for address, password in PASSWORDS.items()}
        done([*set_up(one, root, endpoint), task("scan", "smartscan", {})])
        lose(one)
        try:
            done(strategies(one))
        finally:
            realtime.stop(Node.load(str(config_file)))
        passwords = {**PASSWORDS, COPY: PASSWORDS[ANNA]}
        mailboxes = {address: look(one.mail, address, password) for address, password in passwords.items()}
        drills = [
            drill(other, place, endpoint, root),
            drill(one, place.parent / "full", endpoint, root, "--tags", STEPS),
            drill(other, place, endpoint, root, s3_recovery_imap=one.given()),
        ]
        output += "".join(made.output for made in drills)
        output += json.dumps([one.result for made in drills for one in made.tasks], default=str)
        assert drills[0].status == 0, drills[0].output
        yield Told(
            tasks, drills, before, mailboxes,
            {address: look(other.mail, address, password) for address, password in passwords.items()},
            {address: contacts(other.dav, address) for address in (ANNA, COPY)}, output,
        )


def result(told: Told, name: str) -> Mapping[str, Any]:
    """Return the result of a task."""
    return next(one.result for one in told.tasks if one.name == name)


def test_no_password_is_in_any_output(told: Told) -> None:
    for secret in (dovecot_server.MASTER_PASSWORD, openldap.PASSWORD, radicale_server.PASSWORD):
        assert secret not in told.output


def test_an_item_and_then_the_rest_are_brought_back(told: Told) -> None:
    assert result(told, "item")["changed"]
    assert result(told, "undelete")["report"]["restored"] == {kinds.MESSAGE: 1, kinds.CONTACT: 1, kinds.TAG: 1}
    now, before = (
        [(one.content, one.date, "\\Flagged" in one.flags) for one in mailboxes[ANNA][FOLDER]]
        for mailboxes in (told.mailboxes, told.before)
    )
    assert now == before and len(now) == 3


def test_an_account_is_restored_to_a_new_one_with_all_it_had(told: Told) -> None:
    """With the password, too: the copy was looked at with Anna's."""
    assert result(told, "new account")["account"]["name"] == COPY
    assert told.mailboxes[COPY] == {**told.mailboxes[ANNA], PARENT: [], "INBOX": told.before[ANNA]["INBOX"]}


def test_a_deleted_account_comes_back_as_itself(told: Told) -> None:
    """Ben logs in with his old password and finds what he had."""
    assert [result(told, name)["changed"] for name in ("account", "account again")] == [True, False]
    assert told.mailboxes[BEN] == {**told.before[BEN], PARENT: []}


def test_mail_that_arrives_while_it_is_followed_is_in_the_backup(told: Told) -> None:
    [arrived] = result(told, "arrived")["items"]
    assert arrived["folder_path"] == "/Inbox"
    assert any(b"while it was followed" in one.content for one in told.recovered[ANNA]["INBOX"])


def test_the_drill_recovers_everything_from_the_bucket_and_proves_it(told: Told) -> None:
    report = told.drills[0].named("Leave the report")[0]
    assert report.changed
    assert told.recovered == {**told.mailboxes, ANNA: {**told.mailboxes[ANNA], PARENT: []}}
    assert told.contacts == {ANNA: [b"Mario Rossi"], COPY: [b"Mario Rossi"]}


def test_the_drill_refuses_a_mail_server_that_has_mail(told: Told) -> None:
    assert told.drills[1].status != 0 and "messages, and s3_recovery_only_empty" in told.drills[1].output
    assert not [task.name for task in told.drills[1].tasks if "metadata_retrieve" in task.name]


def test_the_drill_refuses_the_mail_server_of_a_real_recovery(told: Told) -> None:
    assert told.drills[2].status != 0 and "the mail server that drill_imap names" in told.drills[2].output
    assert not told.drills[2].changed()
