# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of docs/server-*.md are tried: the lines that they give for the servers, and those that set a node up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import from_json
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.store import ImapStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from strategies_kit import scanned

from tests.servers import cyrus, dovecot, openldap, radicale
from tests.servers.needed import needed

DOCS = Path(__file__).resolve().parents[3] / "docs"
ANNA = "anna@example.com"
OF_THE_SITE = (
    "host", "master_user", "master_password", "accounts_file", "ldap_url", "ldap_bind_dn", "ldap_password",
    "carddav_url", "caldav_url", "dav_password",
)
"""What differs from site to site: names, addresses and secrets. The rest is taken from the page."""
OF_THE_TESTS = ("port", "ca_file", "sieve_port")
"""What usually needs not be said."""


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page that are in a language."""
    text = (DOCS / f"server-{page}.md").read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for its_language, block in found if its_language == language]


def given(page: str) -> dict[str, Any]:
    """Return the option imap of the page's set-up."""
    tasks = yaml.safe_load(blocks(page, "yaml")[0])
    assert [list(task) for task in tasks] == [["restante.carbonio.backup_config"], ["restante.carbonio.smartscan"]]
    imap: dict[str, Any] = tasks[0]["restante.carbonio.backup_config"]["imap"]
    return imap


def put_in(imap: Mapping[str, Any], site: Mapping[str, Any]) -> dict[str, Any]:
    """Return the set-up of a page with what is this site's own."""
    names = [name for name in (*imap, *OF_THE_TESTS) if name in (*OF_THE_SITE, *OF_THE_TESTS) and name in site]
    return {**imap, **{name: site[name] for name in names}}


@contextmanager
def opened(settings: Mapping[str, Any], path: Path) -> Iterator[ImapStore]:
    """Open a mail server as it was set up."""
    store = ImapStore(str(path / "mirror"), from_json(dict(settings), "the page"))
    yield store
    store.close()


def is_backed_up(settings: Mapping[str, Any], path: Path) -> bool:
    """Return whether a scan finds one account there, and reads all of it."""
    report = scanned(lambda: ImapStore(str(path / "mirror"), from_json(dict(settings), "the page")), path / "backup")
    return report.new_accounts == 1 and not report.failures


def settings_of(server: Any, **more: Any) -> dict[str, Any]:
    """Return how a server is reached."""
    return vars(server.settings(**more))


def has(server: Any, name: str, lines: str, besides: str = "") -> bool:
    """Return whether a server of the tests is configured with all of some lines, but for the files they name.

    :param besides: what more it has within one of them.
    """
    configuration = (server._directory / name).read_text(encoding="utf-8").replace(besides, "")
    present = {" ".join(line.split()) for line in configuration.splitlines()}
    wanted = {" ".join(line.split()) for line in lines.splitlines() if not line.strip().startswith("args =")}
    return wanted - {""} <= present


def test_dovecot(tmp_path: Path) -> None:
    needed("Dovecot", dovecot.missing())
    with dovecot.dovecot() as server:
        server.add_account(ANNA)
        assert has(server, "dovecot.conf", blocks("dovecot", "")[0])
        assert is_backed_up(put_in(given("dovecot"), settings_of(server)), tmp_path)


def test_cyrus(tmp_path: Path) -> None:
    needed("Cyrus", cyrus.missing())
    with cyrus.cyrus() as server:
        server.add_account(ANNA)
        assert has(server, "imapd.conf", blocks("cyrus", "")[0])
        assert is_backed_up(put_in(given("cyrus"), settings_of(server)), tmp_path)


def test_cyrus_makes_the_mailbox_of_an_account_that_is_restored_to_a_directory(tmp_path: Path) -> None:
    for module in (cyrus, openldap):
        needed(module.__name__, module.missing())
    with cyrus.cyrus(blocks("cyrus", "")[1]) as server, openldap.openldap(carbonio=False) as ldap:
        settings = settings_of(server, **ldap.settings(), carddav_url="", caldav_url="")
        with opened(settings, tmp_path) as store:
            account = store.create_entry(Entry("", kinds.ACCOUNT, ANNA)).entry_id
            assert {folder.name for folder in store.folders(account)} >= {"Inbox", "Drafts", "Sent", "Trash", "Junk"}


def test_openldap(tmp_path: Path) -> None:
    for module in (dovecot, openldap):
        needed(module.__name__, module.missing())
    names = yaml.safe_load(blocks("openldap", "yaml")[1])["inetorgperson"]
    access, lookup, homes = blocks("openldap", "")
    before, home, after = homes.strip().partition("%{ldap:entryUUID}")
    assert (before, after) == ("user_attrs = =home=/srv/mail/", ", =master_user=%u")
    with openldap.openldap(carbonio=False) as ldap, dovecot.dovecot(ldap=ldap, home=home) as server:
        ldap.add_person(ANNA, "hers")
        assert has(server, "accounts.conf", lookup)
        access = access.replace("cn=backup,dc=example,dc=com", ldap.manager)
        assert has(ldap, "slapd.conf", access, f' by dn.exact="{ldap.reader}" read')
        settings = put_in(given("openldap"), settings_of(server, **ldap.settings()))
        assert settings["ldap_attributes"] == "{{ inetorgperson }}" and settings["ldap_base"] == ldap.base
        assert is_backed_up({**settings, "ldap_attributes": names}, tmp_path)


def test_radicale(tmp_path: Path) -> None:
    for module in (dovecot, radicale):
        needed(module.__name__, module.missing())
    with dovecot.dovecot() as server, radicale.radicale() as dav:
        for one in (server, dav):
            one.add_account(ANNA)
        of_mail = put_in(given("dovecot"), settings_of(server))
        settings = {**of_mail, **put_in(given("dav"), dav.settings())}
        assert is_backed_up(settings, tmp_path)
        with opened(settings, tmp_path) as store:
            assert store.capabilities().item_kinds >= {kinds.CONTACT, kinds.APPOINTMENT}
