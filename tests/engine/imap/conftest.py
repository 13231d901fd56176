# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers that stand beside a mail server that speaks IMAP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import notes
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_directory import LdapDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from servers import openldap
from servers.needed import needed

from tests.engine.imap.scripted_imap import ScriptedImap, scripted_imap


@pytest.fixture(scope="session")
def slapd() -> Iterator[openldap.OpenLdap]:
    """A directory for all tests; each has to leave it empty."""
    needed("slapd", openldap.missing())
    with openldap.openldap() as server:
        yield server


@pytest.fixture
def directory(slapd: openldap.OpenLdap) -> Iterator[LdapDirectory]:
    """A directory with one domain."""
    directory = LdapDirectory(ImapSettings(**slapd.settings()))
    directory.create(Entry("d-1", kinds.DOMAIN, "example.com"))
    yield directory
    directory.close()
    slapd.empty()


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedImap]:
    """A server that answers what a test tells it to; it is at once at the end of what it does."""
    monkeypatch.setattr(notes, "_QUIET", 0.01)
    with scripted_imap(tmp_path) as server:
        yield server


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for what a mail server may still be doing: where it had answered before a process was killed."""
    monkeypatch.setattr(notes, "_QUIET", 0.1)


@pytest.fixture
def mortal_slapd() -> Iterator[openldap.OpenLdap]:
    """A directory of one's own, that may be killed."""
    needed("slapd", openldap.missing())
    with openldap.openldap() as server:
        yield server
