# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail servers that speak IMAP, each with a directory in LDAP, for the conformance suite: empty ones for every test.

They take longer to start than most tests last, so those that a test leaves are emptied and serve the next one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry

from tests.servers import cyrus, dovecot, openldap, radicale
from tests.servers.needed import needed


class Provisioned(ImapStore):
    """What makes an account in the directory makes it on the mail server too, where that does not look there."""

    def __init__(self, path: str, settings: ImapSettings, server: Any) -> None:
        super().__init__(path, settings)
        self._server = server

    def create_entry(self, entry: Entry) -> Entry:
        made = super().create_entry(entry)
        if made.kind == kinds.ACCOUNT:
            try:
                self._server.add_account(made.name)
            except ValueError as error:
                super().delete_entry(made.kind, made.entry_id)
                raise Refused(str(error)) from error
        return made

    def delete_entry(self, kind: str, entry_id: str) -> None:
        entry = self.find_entry(kind, entry_id)
        super().delete_entry(kind, entry_id)
        if entry is not None and kind == kinds.ACCOUNT:
            self._server.remove_account(entry.name)


class MailServers:
    """The servers of the tests that run, by the path that each test gives."""

    def __init__(self, name: str, missing: Callable[[], str], start: Callable[[], Any], **changes: Any) -> None:
        """:param start: returns the context in which a mail server runs. :param changes: of its settings."""
        self._name, self._missing, self._start, self._changes = name, missing, start, changes
        self._running: dict[Path, tuple[contextlib.ExitStack, Any, openldap.OpenLdap]] = {}
        self._idle: list[tuple[contextlib.ExitStack, Any, openldap.OpenLdap]] = []

    def create(self, path: Path) -> ImapStore:
        """Have a mail server and its directory, both empty, and connect to them."""
        needed(self._name, self._missing())
        needed("OpenLDAP", openldap.missing())
        if not self._idle:
            servers = contextlib.ExitStack()
            server = servers.enter_context(self._start())
            self._idle.append((servers, server, servers.enter_context(openldap.openldap())))
        self._running[path] = self._idle.pop()
        return self.connect(path)

    def connect(self, path: Path) -> ImapStore:
        """Connect once more, with the same mirror."""
        _servers, server, directory = self._running[path]
        settings = server.settings(**directory.settings(), **self._changes)
        return Provisioned(str(path / "mirror"), settings, server)

    def snapshot(self, path: Path) -> None:
        """Keep mail and directory as they are."""
        for server in self._running[path][1:]:
            server.snapshot()

    def put_back(self, path: Path) -> None:
        """Make them what they were; the mirror stays, as it is on another machine."""
        for server in self._running[path][1:]:
            server.put_back()

    def stop(self, path: Path) -> None:
        """Empty the servers of a test for the next one."""
        servers, server, directory = self._running.pop(path)
        try:
            for address in Path(server.accounts_file).read_text(encoding="utf-8").split("\n")[:-1]:
                server.remove_account(address)
            directory.empty()
        except BaseException:
            servers.close()
            raise
        self._idle.append((servers, server, directory))

    def end(self) -> None:
        """Stop them all."""
        for servers, *_unused in (*self._idle, *self._running.values()):
            servers.close()
        self._idle.clear()
        self._running.clear()


class WithDav:
    """A Dovecot with a Radicale beside it, as one mail server."""

    def __init__(self, mail: dovecot.Dovecot, dav: radicale.Radicale) -> None:
        self.mail, self.dav = mail, dav
        self.accounts_file = mail.accounts_file

    def settings(self, **changes: Any) -> ImapSettings:
        """Return how the engine gets to both."""
        return self.mail.settings(**self.dav.settings(), **changes)

    def add_account(self, address: str) -> None:
        """Let an address be an account of both."""
        self.mail.add_account(address)
        self.dav.add_account(address)

    def remove_account(self, address: str) -> None:
        """Let an address be an account of neither."""
        self.dav.remove_account(address)
        self.mail.remove_account(address)

    def snapshot(self) -> None:
        """Keep both as they are."""
        self.mail.snapshot()
        self.dav.snapshot()

    def put_back(self) -> None:
        """Make both what they were."""
        self.mail.put_back()
        self.dav.put_back()


@contextlib.contextmanager
def with_dav() -> Iterator[WithDav]:
    """Serve mail and DAV for as long as the with statement lasts."""
    with dovecot.dovecot(in_memory=True) as mail, radicale.radicale() as dav:
        yield WithDav(mail, dav)


DOVECOTS_WITH_DAV = MailServers("Dovecot and Radicale", lambda: dovecot.missing() or radicale.missing(), with_dav)
DOVECOTS = MailServers("Dovecot", dovecot.missing, lambda: dovecot.dovecot(in_memory=True))
MAILDIRS = MailServers("Dovecot", dovecot.missing, lambda: dovecot.dovecot("maildir", ".", in_memory=True))
# It lets nobody into another's home of DAV by a password.
CYRUSES = MailServers(
    "Cyrus", cyrus.missing, lambda: cyrus.cyrus("delete_mode: immediate", in_memory=True), carddav_url="", caldav_url=""
)
