# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server for the measures over IMAP, and the programs that the engine is held against there.

All work on CORES accounts at a time, talk to the server over TLS (but doveadm, which is a part of it), log in as its
master user, and have on the disk what they report as done, as they do when nobody tells them otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tools import debian

from .measure import CHECKOUT, Failed, Usage, run, step
from .place import CORES

PACKAGES = {"mbsync": "isync", "offlineimap": "offlineimap3"}
OWNER = "mail"
"""Whose the mail of the server is (tests/servers/dovecot.py)."""
DESCRIPTION = "Mail server: Dovecot on this machine, its mail in mdbox and on the disk before it is acknowledged"
PUSH, PULL = "Push", "Pull"


class MailServer(NamedTuple):
    """A Dovecot that runs."""

    directory: Path
    """For what belongs to it; new."""
    settings: Mapping[str, Any]
    configuration: str

    @property
    def file(self) -> Path:
        """The file with its settings, for the engine."""
        return self.directory / "settings.json"

    @property
    def home(self) -> Path:
        """A directory of its own that the owner of its mail can get to."""
        return Path(self.configuration).parent

    def accounts(self) -> list[str]:
        """Return the addresses of its accounts."""
        return Path(self.settings["accounts_file"]).read_text(encoding="utf-8").split()

    def messages(self) -> int:
        """Return how many messages it holds."""
        count: int = step("raw_imap", "count", self.file).facts["messages"]
        return count


@contextmanager
def serve(directory: Path, accounts: int) -> Iterator[MailServer]:
    """Start a Dovecot with some accounts as a process of its own, and end it. :param directory: is made."""
    command = [sys.executable, "-m", "bench.mail_server", str(accounts)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None and process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise Failed("Dovecot did not start; see above")
        try:
            server = MailServer(directory, **json.loads(first))
            directory.mkdir()
            server.file.write_text(json.dumps(server.settings), encoding="utf-8")
            yield server
        finally:
            process.stdin.close()  # which it takes as the end


def missing() -> str:
    """Return why Dovecot or the peers cannot be run here, empty when they can; installs them where that is allowed."""
    found = {"PYTHONPATH": str(CHECKOUT / "build" / "collections")}
    return debian.missing(PACKAGES) or run([sys.executable, "-m", "bench.mail_server"], found).facts["missing"]


def versions() -> Mapping[str, str]:
    """Return the version that each says it has."""
    questions = {
        name: [name.lower(), "--version"] for name in ("Dovecot", "mbsync", "offlineimap")
    }
    said = {
        name: subprocess.run(question, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for name, question in questions.items()
    }
    return {name: f"{name} {next(word for word in words if word[0].isdigit())}" for name, words in said.items()}


def doveadm_import(server: MailServer, maildirs: Path) -> Usage:
    """Bring Maildirs into the server by its own program, past IMAP."""
    source = f"maildir:{maildirs}/%/INBOX"
    return _each(server, ["doveadm", "-c", server.configuration, "import", "-u", "%", source, "", "ALL"])


def doveadm_backup(server: MailServer, target: Path) -> Usage:
    """Bring all that the server has into a directory by its own program, past IMAP."""
    return _each(server, ["doveadm", "-c", server.configuration, "backup", "-u", "%", f"mdbox:{target}/%"])


def _each(server: MailServer, command: list[str]) -> Usage:
    """Run a command for each account, whose address goes where a word has %."""
    return run(["xargs", "-a", server.settings["accounts_file"], "-P", str(CORES), "-I", "%", *command])


class Mbsync:
    """mbsync between the server and Maildirs, one channel for each account."""

    def __init__(self, server: MailServer, maildirs: Path, direction: str) -> None:
        """:param direction: PUSH or PULL."""
        self._server = server
        state = Path(tempfile.mkdtemp(prefix="mbsync-", dir=server.directory))
        self._configuration = state / "mbsyncrc"
        settings = server.settings
        parts = [f"CopyArrivalDate yes\nSync {direction}\nCreate Both\nSyncState {state}/\n"]
        for address in server.accounts():
            (maildirs / address).mkdir(parents=True, exist_ok=True)
            parts.append("\n".join([
                f"IMAPAccount {address}", "Host localhost", f"Port {settings['port']}", "SSLType IMAPS",
                "SystemCertificates no", f"CertificateFile {settings['ca_file']}",
                f"User {address}*{settings['master_user']}", f"Pass {settings['master_password']}", "",
                f"IMAPStore {address}-far", f"Account {address}", "",
                f"MaildirStore {address}-near", f"Inbox {maildirs}/{address}/INBOX", "",
                f"Channel {address}", f"Far :{address}-far:", f"Near :{address}-near:", "",
            ]))
        self._configuration.write_text("\n".join(parts), encoding="utf-8")

    def run(self) -> Usage:
        """Synchronise all accounts."""
        return _each(self._server, ["mbsync", "-q", "-c", str(self._configuration), "%"])


class OfflineImap:
    """offlineimap between the server and Maildirs: both ways, as it knows no other but to read only."""

    def __init__(self, server: MailServer, maildirs: Path) -> None:
        state = server.directory / "offlineimap"
        state.mkdir()
        self._configuration = state / "offlineimaprc"
        settings = server.settings
        parts = [
            f"[general]\naccounts = {','.join(server.accounts())}\nmaxsyncaccounts = {CORES}\n"
            f"metadata = {state}/metadata\nui = quiet\n"
        ]
        for address in server.accounts():
            parts.append(
                f"[Account {address}]\nlocalrepository = {address}-local\nremoterepository = {address}-remote\n"
                f"[Repository {address}-local]\ntype = Maildir\nlocalfolders = {maildirs}/{address}\n"
                f"[Repository {address}-remote]\ntype = IMAP\nremotehost = localhost\nremoteport = {settings['port']}\n"
                f"remoteuser = {address}*{settings['master_user']}\nremotepass = {settings['master_password']}\n"
                f"ssl = yes\nsslcacertfile = {settings['ca_file']}\nfolderfilter = lambda name: name == 'INBOX'\n"
            )
        self._configuration.write_text("\n".join(parts), encoding="utf-8")

    def run(self) -> Usage:
        """Synchronise all accounts."""
        return run(["offlineimap", "-o", "-c", str(self._configuration)])
