# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a mail server that speaks IMAP is reached, and all that stands beside it: ManageSieve, DAV, a directory."""

from __future__ import annotations

import base64
import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Final

from ...model import foreign
from ...model.errors import InvalidInput

TLS: Final = "tls"
STARTTLS: Final = "starttls"
PLAIN: Final = "none"
SECURITIES: Final = (TLS, STARTTLS, PLAIN)

SEPARATED: Final = "separator"
"""Log in as <account><separator><master user> with the master user's password (Dovecot)."""
PROXY: Final = "proxy"
"""SASL PLAIN as the master user, authorised as the account (RFC 4616; Cyrus, Dovecot, Zimbra)."""
IMPERSONATIONS: Final = (SEPARATED, PROXY)

ADDRESS: Final = "address"
LOCAL_PART: Final = "local_part"
LOGIN_NAMES: Final = (ADDRESS, LOCAL_PART)

LDAP: Final = "ldap"
LIST: Final = "list"
DIRECTORIES: Final = (LDAP, LIST)

SECRETS: Final = frozenset(("master_password", "dav_password", "dav_token_key", "ldap_password"))


@dataclasses.dataclass(frozen=True)
class ImapSettings:
    """The settings of one mail server. Certificates are checked against ca_file, or the system's where it is empty."""

    host: str = ""
    port: int = 993
    security: str = TLS
    ca_file: str = ""
    master_user: str = ""
    """Who may log in as every account, so that no user's password is needed."""
    master_password: str = dataclasses.field(default="", repr=False)
    impersonation: str = SEPARATED
    separator: str = "*"
    login_name: str = ADDRESS
    """What an account logs in with: its whole address, or what stands before the @."""
    timeout: int = 60
    """Seconds without an answer after which a server counts as unavailable."""
    connections: int = 4
    """How many connections to the mail server may be open at once."""
    sieve_host: str = ""
    """Empty for the same host."""
    sieve_port: int = 4190
    """0 where there is no ManageSieve."""
    sieve_security: str = STARTTLS
    carddav_url: str = ""
    """The address book home of an account, with {user} for what it logs in with; empty where there is no CardDAV."""
    caldav_url: str = ""
    """The calendar home of an account, likewise."""
    dav_user_template: str = ""
    """Who logs in for DAV, with {user} for what the account logs in with; empty to log in as by IMAP."""
    dav_password: str = dataclasses.field(default="", repr=False)
    """The password that goes with dav_user_template."""
    dav_token_key: str = dataclasses.field(default="", repr=False)
    """In base64, a key of at least 32 bytes: log in for DAV as any account, by tokens that are signed with it.

    Then no user and no password is sent there. For Cyrus, which lets nobody into another's home by a password; it reads
    the key from its http_jwt_key_dir (and its http_jwt_max_age has to be 0, since a token says no time).
    """
    directory: str = LIST
    """Where accounts are known from."""
    accounts_file: str = ""
    """For a list: a file with an address on each line."""
    ldap_url: str = ""
    ldap_starttls: bool = False
    ldap_bind_dn: str = ""
    ldap_password: str = dataclasses.field(default="", repr=False)
    ldap_base: str = ""
    """The entry below which everything lies; empty for the root."""
    ldap_attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Attributes of the model by those of this directory, where they have other names than Carbonio's."""

    def public(self) -> dict[str, Any]:
        """Return the settings as a JSON object without secrets."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in SECRETS}


def from_json(record: Any, where: str) -> ImapSettings:
    """Return checked settings. :param where: the file, for messages. :raises InvalidInput: which setting is wrong."""
    if not isinstance(record, dict):
        raise InvalidInput(f"imap in {where} is no JSON object; set it with the backup_config module.")
    fields = {field.name for field in dataclasses.fields(ImapSettings)}
    unknown = sorted(set(record) - fields)
    if unknown:
        raise InvalidInput(f"imap in {where} has unknown settings: {', '.join(unknown)}.")
    for name, value in record.items():
        if name == "ldap_attributes":
            good = isinstance(value, dict) and all(map(foreign.is_text, (*value, *value.values())))
        else:
            good = foreign.fits(value, type(getattr(ImapSettings, name)))
            good = good and (not isinstance(value, str) or foreign.is_text(value))
        if not good:
            raise InvalidInput(f"The setting {name} of imap in {where} is of the wrong type.")
    settings = ImapSettings(**record)
    check(settings)
    return settings


def check(settings: ImapSettings) -> None:
    """Refuse settings that cannot work. :raises InvalidInput: which one, and what it may be."""
    for name, known in (
        ("security", SECURITIES), ("sieve_security", SECURITIES), ("impersonation", IMPERSONATIONS),
        ("login_name", LOGIN_NAMES), ("directory", DIRECTORIES),
    ):
        if getattr(settings, name) not in known:
            raise InvalidInput(f"{name} of imap is {getattr(settings, name)!r}; it may be {', '.join(known)}.")
    for name in ("host", "master_user", "master_password"):
        if not getattr(settings, name):
            raise InvalidInput(f"imap needs {name}: the engine reads and writes mailboxes as a master user.")
    if settings.impersonation == SEPARATED and not settings.separator:
        raise InvalidInput("imap needs a separator between the account and the master user.")
    for name in ("timeout", "connections"):
        if not 1 <= getattr(settings, name) <= 3600:
            raise InvalidInput(f"{name} of imap is {getattr(settings, name)}; give a number from 1 to 3600.")
    for name, least in (("port", 1), ("sieve_port", 0)):
        if not least <= getattr(settings, name) <= 65535:
            raise InvalidInput(f"{name} of imap is {getattr(settings, name)}; that is no port.")
    for name in ("ca_file", "accounts_file"):
        path = getattr(settings, name)
        if path and (not os.path.isabs(path) or "\0" in path):
            raise InvalidInput(f"{name} of imap is {path!r}; give an absolute path.")
    if settings.directory == LIST and not settings.accounts_file:
        raise InvalidInput("imap with the directory list needs accounts_file, a file with an address on each line.")
    if settings.directory == LDAP and not settings.ldap_url:
        raise InvalidInput("imap with the directory ldap needs ldap_url, such as ldaps://ldap.example.com.")
    for name in ("carddav_url", "caldav_url"):
        url = getattr(settings, name)
        if url and ("{user}" not in url or not url.startswith(("http://", "https://"))):
            raise InvalidInput(f"{name} of imap is {url!r}; give a URL with {{user}} where an account's name goes.")
    if bool(settings.dav_user_template) != bool(settings.dav_password):
        raise InvalidInput("imap needs dav_user_template and dav_password both, or neither to log in as by IMAP.")
    if settings.dav_token_key:
        try:
            long_enough = len(base64.b64decode(settings.dav_token_key, validate=True)) >= 32
        except ValueError:
            long_enough = False
        if not long_enough:
            raise InvalidInput("dav_token_key of imap is no key of at least 32 bytes in base64.")


def login_name(settings: ImapSettings, address: str) -> str:
    """Return what an account logs in with."""
    return address if settings.login_name == ADDRESS else address.rpartition("@")[0]
