# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/first-hour.md, followed from the printed page by somebody who has a node, a mail server and a bucket."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fleet import follow
from tests.fleet.conftest import lend_libraries
from tests.playbooks.playbook_kit import ANSIBLE, CHECKOUT, environment
from tests.playbooks.recovery_kit import make_bucket
from tests.servers import chromium, dovecot, nodes
from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server
from tests.servers.needed import needed

PAGE = CHECKOUT / "docs" / "first-hour.md"
NODE, ACCOUNT, PASSWORD, BUCKET = "mail.example.com", "ann@example.com", "password-of-ann", "first-backup"
LONG = 1800
"""Seconds: many playbooks, on a machine that does other things as well."""
SUBJECTS = ("harbour", "orchard", "quay")


class Hour(NamedTuple):
    """What there is before the hour begins."""

    node: nodes.Node
    collection: Path
    mail: dovecot.Dovecot
    endpoint: Endpoint
    browser: chromium.Page
    sheets: follow.Sheets


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hour]:
    for what, reason in (
        ("A node", nodes.missing()), ("Dovecot", dovecot.missing()), ("A browser", chromium.missing()),
    ):
        needed(what, reason)
    directory = tmp_path_factory.mktemp("page")
    with contextlib.ExitStack() as stack:
        [node] = stack.enter_context(nodes.nodes(NODE)).values()
        lend_libraries(node)
        endpoint, mail = stack.enter_context(moto_server()), stack.enter_context(dovecot.dovecot(in_memory=True))
        make_bucket(endpoint, BUCKET)
        mail.add_account(ACCOUNT, PASSWORD)
        node.run("cp", mail.ca_file, "/etc/mail-authority.pem", user="root")
        collection = _collection(directory)
        values = {
            "first_hour_collection": collection.name, "first_hour_node": NODE,
            "first_hour_imap_host": mail.host, "first_hour_imap_port": str(mail.imaps_port),
            "first_hour_sieve_port": str(mail.sieve_port), "first_hour_ca_file": "/etc/mail-authority.pem",
            "first_hour_master_user": mail.master_user, "first_hour_account": ACCOUNT,
            "backup_setup_bucket_name": BUCKET, "backup_setup_bucket_provider": "CustomS3",
            "backup_setup_bucket_url": endpoint.url,
        }
        browser = stack.enter_context(chromium.browser())
        sheets = follow.read(browser, follow.print_page(PAGE, values, directory))
        yield Hour(node, collection, mail, endpoint, browser, sheets)


def _collection(directory: Path) -> Path:
    """Build the file of this collection, as it is published."""
    build = [str(ANSIBLE.with_name("ansible-galaxy")), "collection", "build", "--output-path", str(directory)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    [built] = directory.glob("*.tar.gz")
    return built


@contextlib.contextmanager
def mail_program(mail: dovecot.Dovecot) -> Iterator[imaplib.IMAP4]:
    """Open the inbox as its owner."""
    trust = ssl.create_default_context(cafile=mail.ca_file)
    with imaplib.IMAP4_SSL(mail.host, mail.imaps_port, ssl_context=trust) as client:
        client.login(ACCOUNT, PASSWORD)
        client.select("INBOX")
        yield client


def subjects(mail: dovecot.Dovecot) -> list[str]:
    with mail_program(mail) as client:
        _status, found = client.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")
    return sorted(part[1].decode().strip().removeprefix("Subject: ") for part in found if isinstance(part, tuple))


@pytest.mark.timeout(LONG)
def test_the_hour_as_the_page_tells_it(hour: Hour, tmp_path: Path) -> None:
    """From nothing to a report of a drill, by what is printed alone."""
    # Short: a socket's path has an end.
    with tempfile.TemporaryDirectory(prefix="ssh-") as sockets:
        _follow_the_hour(hour, tmp_path, sockets)
    assert subjects(hour.mail) == list(SUBJECTS)
    [report] = (tmp_path / "evidence" / NODE).glob("*/report.html")
    hour.browser.open(report)
    assert "PASSED" in hour.browser.value("document.body.innerText") and not hour.browser.complaints()
    assert "$ANSIBLE_VAULT" in (tmp_path / "inventory" / "group_vars" / "all" / "vault.yml").read_text("utf-8")


def _follow_the_hour(hour: Hour, directory: Path, sockets: str) -> None:
    with mail_program(hour.mail) as client:
        for subject in SUBJECTS:
            client.append("INBOX", "", "", f"Subject: {subject}\r\n\r\nhello\r\n".encode())
    shutil.copy(hour.collection, directory)
    _write_what_the_node_needs(hour.node, directory)
    steps = {step.number: step for step in hour.sheets.steps}
    assert list(steps) == list(range(1, len(steps) + 1))
    [loss] = [number for number, step in steps.items() if step.title == "Lose a mail"]
    secrets = {
        "MASTER_PASSWORD": hour.mail.master_password, "ACCESS_KEY": hour.endpoint.access_key,
        "SECRET_KEY": hour.endpoint.secret_key,
    }
    given = {
        **environment(directory), "HOME": str(directory), "ANSIBLE_REMOTE_TEMP": "~/.ansible/tmp",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
        "PATH": f"{ANSIBLE.parent}{os.pathsep}{os.environ['PATH']}",
    }
    with follow.Terminal(["bash"], directory, **given) as admin:
        terminals = {"admin$": admin}
        follow.follow([steps[number] for number in range(1, loss)], terminals, directory, secrets)
        with mail_program(hour.mail) as client:
            client.store("2", "+FLAGS", r"(\Deleted)")
            client.expunge()
        follow.follow([steps[number] for number in range(loss, len(steps) + 1)], terminals, directory, secrets)


def _write_what_the_node_needs(node: nodes.Node, directory: Path) -> None:
    """Say how a node of the tests is reached, as an administrator's ssh_config does, and where its Python is."""
    place = directory / "inventory" / "host_vars"
    place.mkdir(parents=True)
    known = {**node.variables(), "service_python": sys.executable}
    (place / f"{NODE}.yml").write_text(json.dumps(known), encoding="utf-8")


def test_the_page_is_legible_on_paper_and_has_no_secret(hour: Hour) -> None:
    for line in (line for step in hour.sheets.steps for line in follow.lines(step)):
        assert follow.legible(line, hour.sheets), f"not on one line of paper: {line}"
    assert hour.mail.master_password not in hour.sheets.text and hour.endpoint.secret_key not in hour.sheets.text
